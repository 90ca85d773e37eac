"""Amounts of memory, as people read them."""


def gigabytes(count: int) -> str:
    """Bytes as GB (10^9), with one digit below ten; MB below a tenth of one."""
    if count < 10**8:
        return f"{count / 1e6:.0f} MB"
    return f"{count / 1e9:.1f} GB" if count < 10**10 else f"{count / 1e9:.0f} GB"
