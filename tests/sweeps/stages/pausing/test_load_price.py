"""The price of loading a paused state, from the seconds of epochs alone."""

from __future__ import annotations

from sweeps.stages.pausing.load_price import LoadPrice


def rows(*seconds: float) -> list[dict[str, float]]:
    return [{"epoch": epoch, "device_seconds": took} for epoch, took in enumerate(seconds, start=1)]


def test_price_is_what_the_first_epoch_after_each_loading_takes_longer() -> None:
    price = LoadPrice()
    assert (price.seconds, price.shortest(0)) == (None, 0)
    price.learn(0, rows(5.0, 1.0), starts=[0])  # never loaded
    assert price.seconds is None
    price.learn(0, rows(5.0, 1.0, 1.5, 1.0), starts=[0, 2])
    assert price.seconds == 0.5
    price.learn(1, rows(5.0, 1.0, 1.7, 1.0, 1.9, 1.0), starts=[0, 2, 4])
    assert price.seconds == 0.7
    price.learn(0, rows(5.0, 1.0, 1.5, 1.0), starts=[0, 2])  # seen before
    assert price.seconds == 0.7


def test_steps_must_take_over_twice_as_long_as_loading() -> None:
    price = LoadPrice()
    price.learn(0, rows(5.0, 1.0, 3.0, 1.0), starts=[0, 2])
    price.learn(1, rows(9.0, 4.0, 6.0, 4.0), starts=[0, 2])
    assert (price.seconds, price.shortest(0)) == (2.0, 0)  # two measurements may be an accident
    price.learn(2, rows(9.0, 1.0, 3.0, 1.0), starts=[0, 2])
    assert price.seconds == 2.0
    assert [price.shortest(0), price.shortest(1)] == [5, 2]


def test_a_price_under_a_tenth_of_a_second_counts_as_nothing() -> None:
    price = LoadPrice()
    for number in range(4):
        price.learn(number, rows(0.1, 0.01, 0.10, 0.01), starts=[0, 2])
    assert price.shortest(0) == 0


def test_trials_of_the_result_cache_and_of_one_epoch_tell_nothing() -> None:
    price = LoadPrice()
    price.learn(0, rows(0.0, 0.0, 0.0), starts=[0, 1])
    price.learn(1, rows(3.0), starts=[0])
    assert price.seconds is None


def test_pace_leaves_out_the_epochs_with_which_a_process_begins() -> None:
    price = LoadPrice()
    assert price.slowest_epoch_s == 0.0
    price.learn(0, rows(3.9), [0])
    assert price.slowest_epoch_s == 0.0, "its only epoch has imported torch"
    price.learn(0, rows(3.9, 0.1, 0.1, 0.2), [0])
    price.learn(1, rows(0.1, 0.3, 0.3), [0, 1])
    assert price.slowest_epoch_s == 0.3
