"""The Chinese words of the playground, simplified. `words_en` has the same keys."""

WORDS = {
    # ------------------------------------------------------------------ around everything
    "title": "动手看懂 softmax 与交叉熵",
    "lead": "拖动一个 logit，看看一切如何随之变化：概率、损失，以及网络赖以学习的梯度。",
    "language": "语言",
    "noscript": "本页随滑块的移动即时计算，需要启用 JavaScript。",
    "spoken": "交叉熵 {loss} {unit}，二次代价 {cost}。",
    "footer": "由 lastlayer explain --html 生成。整个页面都在这一个文件里，不从任何地方加载内容。"
    "把指针停在数字上，可以看到它的全部位数。",
    # ------------------------------------------------------------------ quantities
    "logit": "原始输出",
    "label": "标签",
    "probability": "概率",
    "gradient": "梯度",
    "cross-entropy": "交叉熵",
    "quadratic": "二次代价",
    "length": "梯度的长度",
    "class": "类别 {class}",
    "label.of": "标签是类别 {class}",
    "share.of": "标签中类别 {class} 的份额",
    "logit.of": "类别 {class} 的原始输出",
    "gradient.of": "{cost}的梯度 {value}",
    "remove": "删除类别 {class}",
    # ------------------------------------------------------------------ moving
    "move.title": "拖动原始输出",
    "move.why": "每行是一个类别。标签说明哪一类是对的，原始输出（logit）说明网络相信什么。"
    "两者一致时，梯度很短，没有多少可学的。",
    "rows": "样本",
    "rows.row": "第 {row} 行",
    "rows.more": "输入中还有 {n} 行",
    "label.one": "一个类别",
    "label.soft": "一个分布",
    "base": "对数的底",
    "temperature": "温度 T",
    "add": "增加一个类别",
    # ------------------------------------------------------------------ going down
    "descend.title": "沿梯度下降",
    "descend.why": "两条路线从上面的原始输出同时出发：一条沿交叉熵的梯度下降，"
    "另一条沿二次代价的梯度下降，学习率相同。不妨从一个十分确信的错误答案开始，"
    "看看哪一条能走出来。",
    "rate": "学习率 η",
    "follow": "上面的原始输出跟随",
    "descend.step": "走一步",
    "descend.steps": "走 10 步",
    "descend.back": "回到起点",
    "descend.none": "还没有走。",
    "descend.count": "已走 {n} 步。交叉熵原为 {from}；沿交叉熵下降后为 {by}，"
    "沿二次代价下降后为 {other}。",
    "descend.axis": "步数",
    "descend.by-cross-entropy": "沿交叉熵下降",
    "descend.by-quadratic": "沿二次代价下降",
    "descend.chart": "{cost}随步数的变化，从 {from} 起共 {n} 步：沿交叉熵下降后为 {by}，"
    "沿二次代价下降后为 {other}。",
    # ------------------------------------------------------------------ steps
    "steps.title": "每一步的数字",
    "steps.why": "上面的数字是怎样得来的，按计算的先后排列。",
    "maximum.title": "最大值",
    "shifted.title": "减去最大值",
    "exponentials.rest": "先把其余各项加成 R，不含这个 1：R 再小也准确。",
    "losses.title": "损失",
    "losses.exact": "标签处的原始输出最大时，损失按 ln(1 + R) 计算：即使 p 舍入为 1、ln p 舍入为 "
    "0，结果仍然准确。",
    "gradient.why": "损失随每个原始输出如何变化：概率减去标签。在真实类别处，模型给的概率不及标签"
    "的要求，梯度为负；其余类别处为正；各项之和为 0。",
    "quadratic.title": "二次代价",
    "quadratic.why": "分类器从前用它训练：概率与标签之差 d = p − t 的平方和的一半。"
    "无论答案错得多厉害，它都不超过 1。",
    "quadratic-gradient.title": "二次代价的梯度",
    "quadratic-gradient.why": "每一项都带有自己的概率作为因子，softmax 再把其余各项混合进来。"
    "十分确信的错误答案在标签处的 p 接近 0，梯度也就几乎为零：错得最厉害时，学得最慢。",
    "cell": "类别 {column} ",
    "note.rose": "损失反而变大：这一步太长，越过了最低点。请换一个更小的学习率。",
    # ------------------------------------------------------------------ one neuron
    "neuron.title": "一个神经元，两种代价",
    "neuron.why": "最小的网络：一个输入（恒为 1）、一个权重、一个偏置、一个 sigmoid 输出。"
    "它应当回答 0，起始的权重和偏置都是 2，输出是 0.98：错了，却十分确信。两种代价的起点与"
    "学习率都相同。",
    "neuron.weight": "权重 w",
    "neuron.bias": "偏置 b",
    "neuron.epochs": "训练轮数",
    "neuron.epoch": "轮次",
    "neuron.play": "播放",
    "neuron.pause": "暂停",
    "neuron.reset": "重置",
    "neuron.where": "在 sigmoid 曲线上",
    "neuron.output": "输出",
    "neuron.cost": "代价",
    "neuron.slope": "斜率",
    "neuron.table": "这一轮中神经元的各个数值",
    "neuron.after": "二次代价的斜率带有因子 a(1 − a)，即 sigmoid 自身的斜率，在曲线两端几乎为 0："
    "空心圆停在平台上，几乎不动。在交叉熵的斜率里，这个因子已经约去，剩下的正是误差本身。",
    "neuron.spoken": "第 {n} 轮：用交叉熵时输出为 {by}，用二次代价时输出为 {other}。",
    "neuron.chart": "{what}随轮次的变化，到第 {n} 轮：交叉熵为 {by}，二次代价为 {other}。",
    "neuron.sigmoid": "sigmoid 曲线和曲线上的两个神经元：交叉熵在 z = {by}，二次代价在 z = "
    "{other}。",
}
