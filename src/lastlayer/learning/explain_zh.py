"""The Chinese words of `lastlayer explain`, simplified. `explain_en` has the same keys."""

WORDS = {
    # ------------------------------------------------------------------ around the steps
    "head": "逐步计算交叉熵：{rows} × {classes}（行数 × 类别数），损失的单位：{unit}",
    "class": "类别",
    "row": "第 {row} 行",
    "ignored": "忽略",
    "more_rows": "…… 还有 {n:,} 行",
    "more_rows_1": "…… 还有 1 行",
    "more_classes": "…… 还有 {n:,} 个类别",
    "more_classes_1": "…… 还有 1 个类别",
    "note": "说明：",
    "between": "",
    "unit.e": "奈特",
    "unit.2": "比特",
    "unit.10": "哈特利",
    "unit.other": "以 {base} 为底的单位",
    # ------------------------------------------------------------------ the columns' heads
    "name.max": "最大值",
    "name.labels": "标签",
    "name.picked": "选出",
    "name.loss": "损失",
    "name.before": "更新前的 L",
    "name.after": "更新后的 L",
    "name.p_before": "更新前的 {q}",
    "name.p_after": "更新后的 {q}",
    # ------------------------------------------------------------------ the steps
    "logits.title": "原始输出",
    "logits.why": "最后一层为每个类别给出一个数，称为 logit；一行是一个样本。这些数可大可小、"
    "可正可负，还不是概率。",
    "maximum.title": "每行的最大值",
    "maximum.why": "求最大值只是为了下一步减去它。指数函数增长极快：exp(89) 已超出 float32 "
    "的范围，exp(710) 已超出 float64 的范围。",
    "shifted.title": "减去最大值后的各行",
    "shifted.why": "整行减去同一个数，这一行的所有指数值就都除以同一个因子，"
    "之后除以总和时正好约掉，所以概率不变。此时没有一项大于 0，因此没有一个指数值大于 1。",
    "exponentials.title": "指数值及其总和",
    "exponentials.why": "exp 把每个数变成正数，并保持大小次序：logit 大 1，权重就是 e ≈ 2.718 倍。"
    "最大的那一项是 exp(0) = 1，所以总和 S 至少为 1，可以放心作除数。",
    "probabilities.title": "概率",
    "probabilities.why": "除以 S 之后，每行之和为 1。这就是 softmax：模型对各个类别分别相信几成。",
    "given.title": "给定的概率",
    "given.why": "每行之和已经是 1，不必再计算 softmax。这些数在舍入时丢掉的部分已无法找回："
    "要得到精确的损失，请从原始输出算起。",
    "logs.title": "概率的对数",
    "logs.why": "p = 1（完全确定）时 log p 为 0；p 趋于 0 时，log p 趋于负无穷。概率相乘，"
    "对数相加，所以许多样本的对数可以直接求和。这里按 (z − m) − log S 计算，不先把 p 舍入。",
    "given_logs.why": "q = 1（完全确定）时 log q 为 0；q 趋于 0 时，log q 趋于负无穷。概率相乘，"
    "对数相加，所以许多样本的对数可以直接求和。",
    "logs.e": "以 e 为底，单位是奈特：概率为 1/e ≈ 0.368 的结果一旦发生，带来的信息量就是 1 奈特。",
    "logs.2": "以 2 为底，单位是比特：抛一次均匀硬币，结果带来的信息量是 1 比特，即 ln 2 ≈ 0.693 "
    "奈特；概率为 1/e 的结果一旦发生，带来的信息量就是 1 奈特。",
    "logs.10": "以 10 为底，单位是哈特利：一个随机的十进制数字带来的信息量是 1 哈特利，即 ln 10 ≈ "
    "2.303 奈特；概率为 1/e 的结果一旦发生，带来的信息量就是 1 奈特。",
    "logs.other": "以 {base} 为底：1 个单位等于 ln {base} = {nats} 奈特；概率为 1/e ≈ 0.368 "
    "的结果一旦发生，带来的信息量就是 1 奈特。",
    "picked.title": "标签选出的项",
    "picked.why": "把标签写成独热的一行：真实类别处为 1，其余为 0。与对数逐项相乘再求和，"
    "就只剩下真实类别的对数。其他类别只通过它们在 S 中所占的份额起作用。选出的项在各步中都有标记。",
    "given_picked.why": "把标签写成独热的一行：真实类别处为 1，其余为 0。与对数逐项相乘再求和，"
    "就只剩下真实类别的对数。选出的项在各步中都有标记。",
    "soft_picked.why": "这里每个标签是各类别上的一个分布。与对数逐项相乘再求和，"
    "就是按权重取各个对数；权重为 0 的项无论对数是多少都不计入。若是独热标签（只有一个 1），"
    "则只选出一项。",
    "losses.title": "损失列",
    "losses.why": "取相反数，使数值越小越好：把全部概率给了正确答案，损失为 0；给标签的概率越小，"
    "损失越大。",
    "mean.title": "平均值",
    "mean.why": "不论批次多大，都归结为一个数：交叉熵。",
    "binary.title": "另一种形式",
    "binary.why": "二元形式对每个类别都问一次“是或否”，因此错误的类别也要计入损失，各按自己的 "
    "log(1 − {q}) 计算。它适用于相互独立的输出（sigmoid），即多个标签可以同时成立的情形。softmax "
    "的各个输出互相排斥，应使用前一种形式。",
    "gradient.title": "梯度",
    "gradient.why": "平均损失随每个原始输出如何变化：概率减去标签，再除以计入平均的行数。"
    "在真实类别处，模型给的概率不及标签的要求，梯度为负；其余类别处为正；每行之和为 0。",
    "gradient.base": "因子 ln {base} 来自对数的底。",
    "gradient.exact": "标签所在的一项按 −（其余指数值之和）/ S 计算，因为一旦 p 舍入为 1，p − 1 "
    "就成了 0。",
    "gradient.given": "这里把概率看作 z = ln q 的 softmax，结果正是 q 本身；梯度是对这个 z 求的。",
    "step.title": "沿负梯度走一步",
    "step.why": "原始输出以学习率 η = {rate} 沿梯度的反方向移动，再求一次 softmax。在神经网络中，"
    "梯度会继续传到权重，更新的是权重；这里直接移动输出。",
    # ------------------------------------------------------------------ notes on these numbers
    "note.special": "{where}含有 NaN、+inf，或者全是 −inf，没有概率可言：这一行是 NaN，"
    "平均值因此也是 NaN。",
    "note.masked": "{where}有类别的输出为 −inf，其指数值为 0：该类别被排除，概率恰好为 0。",
    "note.unshifted": "若不减最大值，{where}在 {dtype} 中会出错：exp({z}) 是 {naive}，而 "
    "{naive}/{naive} 是 NaN。",
    "note.log": "{where}的 p 在 {dtype} 中舍入为 {p}，再取对数会得到 {naive}；正确的对数是 "
    "{exact}。",
    "note.ignored": "{where}的标签是 −100，表示忽略：损失和梯度都为 0，也不计入平均值。",
    "note.weights": "{where}的标签之和是 {total}，不是 1；损失和梯度仍按原样计算，梯度为 {total} "
    "p − t。",
    "note.infinite": "{where}给标签的概率是 0，损失为无穷大：断定不可能的事偏偏发生了。",
    "note.geometric": "{base}^(−{mean}) = {p}：这是各行给标签的概率的几何平均。",
    "note.empty": "没有一行计入，空集的平均值是 NaN。",
    "note.gradient": "{where}的正确值是 {exact}；若在 {dtype} 中按 p − 1 计算，会得到 {naive}，"
    "这一行就学不到东西，或者更新的幅度不对。",
    "note.rose": "平均损失反而变大：这一步太长，越过了最低点。请换一个更小的学习率。",
    "at_least": "至少 ",
    "where": "第 {row} 行",
    "where_many": "第 {row} 行（另有 {n} 行也是如此）",
    "cell": "第 {row} 行类别 {column} ",
    "cell_many": "第 {row} 行类别 {column}（另有 {n} 处也是如此）",
}
