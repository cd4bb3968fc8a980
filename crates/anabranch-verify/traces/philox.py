"""The random numbers of docs/random.md, written from that page alone."""
WORD, LONG = (1 << 32) - 1, (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15
INIT, SHUFFLE, DROPOUT = 1, 3, 4


def philox(key, counter):
    """Four words of Philox4x32-7."""
    (k0, k1), (c0, c1, c2, c3) = key, counter
    for r in range(7):
        p, q = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        key0, key1 = (k0 + r * 0x9E3779B9) & WORD, (k1 + r * 0xBB67AE85) & WORD
        c0, c1, c2, c3 = (q >> 32) ^ c1 ^ key0, q & WORD, (p >> 32) ^ c3 ^ key1, p & WORD
    return c0, c1, c2, c3


def mix(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & LONG
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & LONG
    return z ^ (z >> 31)


def key(seed, purpose, stream):
    k = mix(mix((seed + GOLDEN) & LONG) ^ ((stream << 32) + purpose))
    return k & WORD, k >> 32


class Sequence:
    """Sequence number `index` of a purpose."""

    def __init__(self, seed, purpose, index):
        self.key, self.index, self.block, self.words = key(seed, purpose, 0), index, 0, []

    def word(self):
        """The next 64 bits."""
        if not self.words:
            counter = (self.block & WORD, self.block >> 32, self.index & WORD, self.index >> 32)
            a, b, c, d = philox(self.key, counter)
            self.words, self.block = [(a << 32) | b, (c << 32) | d], self.block + 1
        return self.words.pop(0)

    def uniform(self):
        return (self.word() >> 11) * 2.0**-53

    def below(self, n):
        while True:
            product = self.word() * n
            if product & LONG >= (1 << 64) % n:
                return product >> 64

    def shuffled(self, items):
        items = list(items)
        for i in range(len(items) - 1, 0, -1):
            j = self.below(i + 1)
            items[i], items[j] = items[j], items[i]
        return items


def threshold(p):
    return (1 << 16) if p == 1 else min(int(p * 65536 + 0.5), 65535)


def mask(seed, stream, step, rows, width, p):
    """What the elements `[rows, width]` are multiplied by: 0, or 1/(1 - p) for the p that they are dropped with."""
    t, (k0, k1) = threshold(p), key(seed, DROPOUT, stream)
    base = mix(mix((k0 << 32) + k1) ^ step)
    power = 1
    while power < min(width, 128):
        power *= 2

    def group(g, r):
        """128 bytes."""
        blocks = [philox((k0, k1), (8 * g + lane, r, step & WORD, step >> 32)) for lane in range(8)]
        halves = [(block[0], block[1]) for block in blocks] + [(block[2], block[3]) for block in blocks]
        return b"".join(word.to_bytes(4, "little") for half in halves for word in half)

    scale = 65536 / (65536 - t) if t < 65536 else 0.0
    out = []
    for row in range(rows):
        lower = mix((base + row * GOLDEN) & LONG) % 256
        if width <= 64:
            per_group = 128 // power
            start = row % per_group * power
            upper = group(0, row // per_group)[start : start + width]
        else:
            upper = b"".join(group(g, row) for g in range((width + 127) // 128))[:width]
        out.append([0.0 if 256 * byte + lower < t else scale for byte in upper])
    return out
