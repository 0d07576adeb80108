"""The Chinese words of `lastlayer compare`, simplified. `words_en` has the same keys."""

WORDS = {
    # ------------------------------------------------------------------ both pages
    "quadratic": "二次代价",
    "cross-entropy": "交叉熵",
    "epoch": "轮次",
    "epochs.1": "1 轮",
    "epochs": "{count:,} 轮",
    "again": "本页由下面的命令生成，再运行一次，数字完全相同：",
    "numbers": "曲线上的每个数都在同一文件夹的 compare.json 里。",
    "summary": "用数字比较",
    "never": "{epochs}内未达到",
    # ------------------------------------------------------------------ one neuron
    "neuron.title": "一个神经元，两种代价",
    "neuron.lead": "一个 sigmoid 神经元 a = σ(w · 1 + b)，输入是 1，要学会输出 0。它从 w = "
    "{weight}、b = {bias} 出发，一开始的输出是 {start}。让它的两个副本以同样的学习率 {rate} 各学 "
    "{epochs}：一个沿二次代价的梯度下降，另一个沿交叉熵的梯度下降，其余毫无差别。",
    "neuron.row.start": "初始输出",
    "neuron.row.end": "{epochs}后的输出",
    "neuron.row.half": "输出减半所需轮数",
    "neuron.row.cost": "代价：开始 → 结束",
    "neuron.row.gradient": "初始 |梯度|",
    "neuron.output.panel": "输出 a，目标为 0",
    "neuron.output.title": "答得怎样",
    "neuron.output.text": "正确答案是 0，所以输出本身就是误差 a − t。{cross_half}；"
    "{quadratic_half}。最后的输出分别是 {cross} 和 {quadratic}。",
    "neuron.half.cross-entropy": "用交叉熵，{epochs}就减掉一半",
    "neuron.half.quadratic": "用二次代价则要 {epochs}",
    "neuron.no_half.cross-entropy": "用交叉熵，{epochs}还没有减掉一半",
    "neuron.no_half.quadratic": "用二次代价，{epochs}还没有减掉一半",
    "neuron.cost.panel": "代价（与初始值之比）",
    "neuron.cost.title": "代价多大",
    "neuron.cost.text": "两种代价的单位不同：½(a − t)² 没有单位，交叉熵以奈特计，所以都画成与各自"
    "初始值之比。二次代价从 {q_start} 降到 {q_end}，交叉熵从 {c_start} 降到 {c_end} 奈特。",
    "neuron.cost.plateau": "有整整 {plateau}，二次代价与初始值相差不到一成。单看这条曲线，会以为"
    "它已经学到头了；其实还没怎么开始学。",
    "neuron.gradient.panel": "|梯度|",
    "neuron.gradient.title": "每步走多远",
    "neuron.gradient.text": "每一步的长度是学习率乘以梯度；输入是 1，所以权重和偏置的梯度相同。交"
    "叉熵的第一个梯度是 {c_first}，二次代价的只有 {q_first}，前者是后者的 {ratio} 倍。二次代价的"
    "梯度要到第 {peak} 轮才最大。",
    "neuron.gradient.error": "交叉熵的梯度就是误差本身：这条蓝线和第一张图里的一模一样。错得越"
    "远，步子越大。",
    "neuron.derivative.panel": "σ′(z) = a (1 − a)",
    "neuron.derivative.name.quadratic": "拖慢\n二次代价",
    "neuron.derivative.name.cross-entropy": "与交叉熵\n无关",
    "neuron.derivative.title": "是什么拖了后腿",
    "neuron.derivative.text": "这是 sigmoid 在每一轮的 z 处的导数。神经元拿不定主意（a = ½）时它"
    "是 ¼；只要神经元很有把握，不论对错，它都接近 0。二次代价的梯度等于误差乘以这条曲线：把第一张"
    "图和这张图逐轮相乘，就得到上面那条红线。",
    "neuron.derivative.sure": "这里它从 {derivative} 起步：神经元很有把握，却错了，误差只有 "
    "{share} 能用来学习。",
    "neuron.derivative.unsure": "这里它从 {derivative} 起步：神经元的把握并不大，所以两种代价的差"
    "距还不算悬殊。换成从 2 和 2 出发，再看一次。",
    "neuron.why.title": "这个因子去哪儿了",
    "neuron.why.text": "两个梯度都来自链式法则：∂C/∂z = ∂C/∂a · σ′(z)。a 错得越离谱，交叉熵的斜率"
    "就越大，而且没有上限；它增大得有多快，σ′ 就缩小得有多快，两者恰好约去。",
    "neuron.why.chain": "链式法则",
    "neuron.why.result": "约去之后",
    "neuron.rate.title": "学习率大一些呢？",
    "neuron.rate.text": "二次代价会快一些，但没有哪个学习率自始至终都合适：开头 σ′ 接近 0，为它选"
    "的学习率，等 σ′ 接近 ¼ 时，最多会大出 {most} 倍。可以用 --rate 试试看。",
}
