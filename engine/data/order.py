"""Which example stands at which position of the endless stream: repeated, then shuffled, a shape to a micro-batch."""

from collections.abc import Sequence
from functools import lru_cache

from engine.chance import order


class Order:
    """The endless order of examples.

    groups: the indices of the examples of each shape.  An epoch has each example `repeats` times.  Positions
    k * batch_size to (k + 1) * batch_size - 1 are of one group, whatever micro-batches they are taken in.  A batch
    that an epoch leaves incomplete is filled from the group's next epoch, so that no photo is seen more than another:
    after batch_size epochs, a round, all groups come out even.  With one group, batch_size changes nothing.
    """

    def __init__(self, groups: Sequence[Sequence[int]], repeats: int, batch_size: int, seed: int, purpose: str) -> None:
        self._groups, self._repeats, self._batch_size = groups, repeats, batch_size
        self._seed, self._purpose = seed, purpose
        self.length = repeats * sum(len(group) for group in groups)
        self._round = lru_cache(maxsize=2)(self._lay_out)

    def index(self, position: int) -> int:
        """The example at `position`."""
        micro_batch, offset = divmod(position, self._batch_size)
        number, place = divmod(micro_batch, self.length)  # a round has as many batches as an epoch has samples
        group, batch = self._round(number)[place]
        members = self._groups[group]
        epoch, place = divmod(batch * self._batch_size + offset, len(members) * self._repeats)
        shuffled = order(
            self._seed,
            f"{self._purpose} order {group}",
            number * self._batch_size + epoch,
            len(members) * self._repeats,
        )
        return members[shuffled[place] % len(members)]

    def _lay_out(self, number: int) -> list[tuple[int, int]]:
        """The batches of a round, as (group, which of the group's): groups are shuffled, each group's batches not."""
        batches: list[tuple[int, int]] = []
        taken = [0] * len(self._groups)
        for epoch in range(self._batch_size):
            begun = []
            for group, members in enumerate(self._groups):
                first, last = (self._batches_begun(len(members), epochs) for epochs in (epoch, epoch + 1))
                begun += [group] * (last - first)
            shuffled = order(self._seed, f"{self._purpose} buckets", number * self._batch_size + epoch, len(begun))
            for group in (begun[place] for place in shuffled):
                batches.append((group, taken[group]))
                taken[group] += 1
        return batches

    def _batches_begun(self, members: int, epochs: int) -> int:
        """How many batches a group of so many members has begun after so many epochs."""
        return -(-members * self._repeats * epochs // self._batch_size)
