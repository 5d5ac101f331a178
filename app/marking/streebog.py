"""Streebog, the digest of GOST R 34.11-2012, as RFC 6986 describes it.

The libraries that know it are not kept any more, or bring packages of their own tests along.
Numbers are those of the standard: a block is an integer of 512 bits, byte 0 the lowest.
"""

from typing import Final

BLOCK: Final = 64
_PI: Final = bytes.fromhex(
    "fceedd11cf6e3116fbc4fada23c5044de977f0db932e99ba1736f1bb14cd5fc1f918655ae25cef21"
    "811c3c428b018e4f058402aee36a8fa0060bed987fd4d31feb342c51eac848abf22a68a2fd3acecc"
    "b5700e56080c7612bf7213479cb75d8715a19629107b9ac7f391786f9d9eb2b13275193dff358a7e"
    "6d54c680c3bd0d57dff524a93ea843c9d779d6f67c22b903e00fecde7a94b0bcdce828504e330a4a"
    "a79760731e0062441ab83882649f2641ad454692275e552f8ca3a57d69d5953b0758b34086ac1df7"
    "30376be488d9e789e11b83494c3ff8fe8d53aa90cad88561207167a42d2b095bcb9b25d0bee56c52"
    "59a674d2e6f4b4c0d166afc2394b63b6"
)
_A: Final = bytes.fromhex(
    "8e20faa72ba0b47047107ddd9b505a38ad08b0e0c3282d1cd8045870ef14980e6c022c38f90a4c07"
    "3601161cf205268d1b8e0b0e798c13c883478b07b2468764a011d380818e8f405086e740ce47c920"
    "2843fd2067adea1014aff010bdd875080ad97808d06cb40405e23c0468365a028c711e02341b2d01"
    "46b60f011a83988e90dab52a387ae76f486dd4151c3dfdb924b86a840e90f0d2125c354207487869"
    "092e94218d243cba8a174a9ec8121e5d4585254f64090fa0accc9ca9328a89509d4df05d5f661451"
    "c0a878a0a1330aa660543c50de970553302a1e286fc58ca718150f14b9ec46dd0c84890ad27623e0"
    "0642ca05693b9f700321658cba93c13886275df09ce8aaa8439da0784e745554afc0503c273aa42a"
    "d960281e9d1d5215e230140fc080298471180a8960409a42b60c05ca30204d215b068c651810a89e"
    "456c34887a3805b9ac361a443d1c8cd2561b0d22900e46692b838811480723ba9bcf4486248d9f5d"
    "c3e9224312c8c1a0effa11af0964ee50f97d86d98a327728e4fa2054a80b329c727d102a548b194e"
    "39b008152acb82279258048415eb419d492c024284fbaec0aa16012142f35760550b8e9e21f7a530"
    "a48b474f9ef5dc1870a6a56e2440598e3853dc371220a2471ca76e95091051ad0edd37c48a08a6d8"
    "07e095624504536c8d70c431ac02a736c83862965601dd1b641c314b2b8ee083"
)
_C: Final = bytes.fromhex(
    "b1085bda1ecadae9ebcb2f81c0657c1f2f6a76432e45d016714eb88d7585c4fc4b7ce09192676901"
    "a2422a08a460d31505767436cc744d23dd806559f2a645076fa3b58aa99d2f1a4fe39d460f70b5d7"
    "f3feea720a232b9861d55e0f16b501319ab5176b12d699585cb561c2db0aa7ca55dda21bd7cbcd56"
    "e679047021b19bb7f574dcac2bce2fc70a39fc286a3d843506f15e5f529c1f8bf2ea7514b1297b7b"
    "d3e20fe490359eb1c1c93a376062db09c2b6f443867adb31991e96f50aba0ab2ef1fdfb3e81566d2"
    "f948e1a05d71e4dd488e857e335c3c7d9d721cad685e353fa9d72c82ed03d675d8b71333935203be"
    "3453eaa193e837f1220cbebc84e3d12e4bea6bacad4747999a3f410c6ca923637f151c1f1686104a"
    "359e35d7800fffbdbfcd1747253af5a3dfff00b723271a167a56a27ea9ea63f5601758fd7c6cfe57"
    "ae4faeae1d3ad3d96fa4c33b7a3039c02d66c4f95142a46c187f9ab49af08ec6cffaa6b71c9ab7b4"
    "0af21f66c2bec6b6bf71c57236904f35fa68407a46647d6ef4c70e16eeaac5ec51ac86febf240954"
    "399ec6c7e6bf87c9d3473e33197a93c90992abc52d822c3706476983284a05043517454ca23c4af3"
    "8886564d3a14d4939b1f5b424d93c9a703e7aa020c6e41414eb7f8719c36de1e89b4443b4ddbc49a"
    "f4892bcb929b069069d18d2bd1a5c42f36acc2355951a8d9a47f0dd4bf02e71e378f5a541631229b"
    "944c9ad8ec165fde3a7d3a1b258942243cd955b7e00d0984800a440bdbb2ceb17b2b8a9aa6079c54"
    "0e38dc92cb1f2a607261445183235adbabbedea680056f52382ae548b2e4f3f38941e71cff8a78db"
    "1fffe18a1b3361039fe76702af69334b7a1e6c303b7652f43698fad1153bb6c374b4c7fb98459ced"
    "7bcd9ed0efc889fb3002c6cd635afe94d8fa6bbbebab076120018021148466798a1d71efea48b9ca"
    "efbacd1d7d476e98dea2594ac06fd85d6bcaa4cd81f32d1b378ee767f11631bad21380b00449b17a"
    "cda43c32bcdf1d77f82012d430219f9b5d80ef9d1891cc86e71da4aa88e12852faf417d5d9b21b99"
    "48bc924af11bd720"
)


def _table(place: int) -> list[int]:
    """What a byte at this place of a word gives to the word: substituted, then multiplied."""
    rows = [int.from_bytes(_A[8 * row :][:8]) for row in range(63 - 8 * place, 55 - 8 * place, -1)]
    found = []
    for byte in range(256):
        word = 0
        for bit, row in enumerate(rows):
            word ^= row if _PI[byte] >> bit & 1 else 0
        found.append(word)
    return found


_TABLES: Final = [_table(place) for place in range(8)]
_ROUND_KEYS: Final = [int.from_bytes(_C[start : start + BLOCK]) for start in range(0, 768, BLOCK)]
_ALL: Final = (1 << 512) - 1


def streebog(data: bytes, *, size: int) -> bytes:
    """The digest of 32 or 64 bytes. Half a millisecond a block: for short data only."""
    state = int.from_bytes(b"\1" * BLOCK) if size == 32 else 0
    length = total = 0
    whole = len(data) - len(data) % BLOCK
    for start in range(0, whole, BLOCK):
        block = int.from_bytes(data[start : start + BLOCK], "little")
        state = _compressed(state, block, length)
        length, total = length + 8 * BLOCK, (total + block) & _ALL
    rest = data[whole:]
    block = int.from_bytes(rest + b"\1", "little")
    state = _compressed(state, block, length)
    length, total = length + 8 * len(rest), (total + block) & _ALL
    state = _compressed(_compressed(state, length, 0), total, 0)
    return state.to_bytes(BLOCK, "little")[-size:]


def _compressed(state: int, block: int, length: int) -> int:
    key, text = _mixed(state ^ length), block
    for constant in _ROUND_KEYS:
        key, text = _mixed(key ^ constant), _mixed(text ^ key)
    return key ^ text ^ state ^ block


def _mixed(block: int) -> int:
    """Substitution, transposition and multiplication of all eight words."""
    data = block.to_bytes(BLOCK, "little")
    mixed = 0
    for row in range(8):
        word = 0
        for place, table in enumerate(_TABLES):
            word ^= table[data[8 * place + row]]
        mixed |= word << 64 * row
    return mixed
