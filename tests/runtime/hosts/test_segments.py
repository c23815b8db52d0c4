"""Calls go to the place with the fewest, and by turns."""

from collections import Counter

import numpy as np
import pytest

from stagecut.runtime.hosts.segments import Post, Posts
from tests.support.over_hosts import (
    WIDTH,
    ClusterHere,
    over_hosts,
    plan_over_hosts,
    replicas_over_hosts,
)

X = {"y0": np.linspace(-1, 1, WIDTH, dtype=np.float32).reshape(1, -1)}


def _posts(count: int) -> Posts:
    group = over_hosts(plan_over_hosts("throughput"), ClusterHere()).executor.segments[0]
    return Posts([Post(group._groups[0].group, member=f"m{at}") for at in range(count)])


def test_places_take_turns_and_the_busy_are_left_alone() -> None:
    posts = _posts(3)
    seen = []
    for _ in range(6):
        with posts.taken(first=False) as post:
            seen.append(post.member)
    assert seen == ["m0", "m1", "m2"] * 2
    with posts.taken(first=False) as busy:
        for _ in range(4):
            with posts.taken(first=False) as other:
                assert other is not busy
    with posts.taken(first=True) as first, posts.taken(first=True) as again:
        assert first is again is posts.posts[0]


@pytest.mark.parametrize("whole", [True, False], ids=["replicas of the whole", "a pipeline"])
def test_a_stream_gives_the_same_at_every_place(whole: bool) -> None:
    cluster = ClusterHere()
    over = over_hosts(replicas_over_hosts() if whole else plan_over_hosts("throughput"), cluster)
    expected = over.executor.outputs(X)["y6"]
    for _ in range(12):
        passage = over.executor.by_stage(X)
        while not passage.advance():
            pass
        np.testing.assert_array_equal(passage.outputs()["y6"], expected)
    taken = Counter(
        post.taken > 0
        for each in over.executor.segments
        for of in each._groups
        for post in of.posts
    )
    assert taken == ({True: 5} if whole else {True: 3})
    assert len(cluster.members) == (4 if whole else 2)
    assert over.stream.replicas == ((2 + 4 * 3,) if whole else over.stream.replicas)


def test_a_single_run_keeps_to_the_schedule() -> None:
    over = over_hosts(replicas_over_hosts(), ClusterHere())
    for _ in range(3):
        over.executor.run(X)
    [segment] = over.executor.segments
    [posts] = segment._groups
    assert [post.taken for post in posts.posts] == [3, 0, 0, 0, 0]
