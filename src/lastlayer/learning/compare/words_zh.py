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
    "neuron.gradient.error": "交叉熵的梯度就是误差本身：它在这里的曲线和第一张图里的一模一样。错"
    "得越远，步子越大。",
    "neuron.derivative.panel": "σ′(z) = a (1 − a)",
    "neuron.derivative.name.quadratic": "拖慢\n二次代价",
    "neuron.derivative.name.cross-entropy": "与交叉熵\n无关",
    "neuron.derivative.title": "是什么拖了后腿",
    "neuron.derivative.text": "这是 sigmoid 在每一轮的 z 处的导数。神经元拿不定主意（a = ½）时它"
    "是 ¼；只要神经元很有把握，不论对错，它都接近 0。二次代价的梯度等于误差乘以这条曲线：把第一张"
    "图和这张图逐轮相乘，就得到上一张图里二次代价的曲线。",
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
    # ------------------------------------------------------------------ one network
    "model.softmax": "只有一层、末端接 softmax 的网络",
    "model.mlp": "有一个 sigmoid 隐藏层的网络",
    "model.cnn": "一个卷积网络",
    "source.digits": "scikit-learn 自带的手写数字",
    "network.title": "一个网络，两种代价",
    "network.lead": "{model}要学会区分 {classes} 个类别。训练用 {train} 张图片（{source}），另留"
    "出 {test} 张不参与训练。同一个网络训练两次：初始权重相同，批次和次序相同，学习率都是 "
    "{rate}，都训练 {epochs}。一次最小化 softmax 输出的二次代价，一次最小化交叉熵，其余毫无差别。",
    "network.row.accuracy": "留出图片的准确率（{epochs}后）",
    "network.row.entropy": "留出图片的交叉熵（奈特）",
    "network.row.cost": "训练中各自的代价：开始 → 结束",
    "network.row.gradient": "{layer} 初始梯度的长度",
    "network.loss.panel": "各自的代价（与初始值之比）",
    "network.loss.title": "各看各的代价",
    "network.loss.text": "两个网络各自要降低的东西，都画成与初始值之比：实线是留出的图片，点线是"
    "训练用的图片。训练中，二次代价从 {q_start} 降到 {q_end}，交叉熵从 {c_start} 降到 {c_end} 奈"
    "特。",
    "network.entropy.panel": "交叉熵（奈特）",
    "network.entropy.title": "用同一把尺子量",
    "network.entropy.text": "两种代价的数值不能直接相比，所以这里对两个网络都用交叉熵来量：看到正"
    "确标签时，它们各有多“意外”。在留出的图片上，用二次代价训练的网络最后是 {quadratic} 奈特，用"
    "交叉熵训练的是 {cross} 奈特。在 {classes} 个类别中瞎猜，则是 ln {classes} = {guess} 奈特。",
    "network.accuracy.panel": "准确率",
    "network.accuracy.title": "答对多少",
    "network.accuracy.text": "{epochs}后，留出的图片中，二次代价答对 {quadratic}，交叉熵答对 "
    "{cross}。",
    "network.accuracy.cross-entropy": "二次代价最后达到的准确率，交叉熵用 {epochs}就达到了。",
    "network.accuracy.quadratic": "交叉熵最后达到的准确率，二次代价用 {epochs}就达到了。",
    "network.gradient.panel": "{layer} 的梯度长度",
    "network.gradient.title": "每一层收到多少",
    "network.gradient.text": "损失对每一层的权重和偏置的梯度有多长，纵轴为对数刻度。一开始，最后"
    "一层 {layer} 的梯度，用交叉熵是 {cross}，用二次代价是 {quadratic}。",
    "network.gradient.back": "反向传播把 logits 处的误差逐层往回传；在最后一层丢掉的因子，前面各"
    "层也都得不到。训练后期梯度变小，则可能是好事：要纠正的已经不多了。",
    "network.why.title": "这个因子从哪儿来",
    "network.why.text": "输出 p 是 logits z 的 softmax。只要网络很有把握，不论对错，∂p/∂z 都接近 "
    "0；即使它觉得 {classes} 个类别一样可能，也只有 {classes} 分之一能通过。二次代价的误差要乘上"
    "它。而在交叉熵里，对数抵消了指数，这个因子恰好约去，误差就是它该有的样子：答案减去正确答案。",
    "network.why.error": "logit 处的误差",
    "network.rate.title": "学习率大一些呢？",
    "network.rate.text": "用同一个学习率，问题问得公平，对二次代价却不公平，因为它的梯度本来就"
    "小：把 --rate 调大，它能追上不少。但有一点是任何学习率都补不回来的：这个因子因图片而异，网络"
    "很有把握却答错的那些图片，本该教得最多，却推动得最少。",
}
