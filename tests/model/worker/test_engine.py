"""The engine on the tiny model: the answers of `generate`, many at once, each by its own rules."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from transformers.generation.continuous_batching.requests import RequestState

from model.engine.base import GenerationRequest, Sampling
from model.engine.errors import CannotRun, EngineError, EngineFailed, QueueFull, RequestRefused
from model.engine.slots import EngineLoad
from tests.model.worker.conftest import until
from tests.model.worker.models import generate, loaded, random_prompts, reference, running

PROMPTS = random_prompts(12, 256)


async def test_many_greedy_answers_at_once_are_those_of_generate():
    tiny = loaded("tiny")
    async with running(tiny) as engine:
        answers = await asyncio.gather(*[generate(engine, prompt) for prompt in PROMPTS])
    assert answers == [reference(tiny.base, prompt) for prompt in PROMPTS]


async def test_prompts_with_a_common_beginning_share_it_and_answer_the_same():
    tiny = loaded("tiny")
    prompts = [[*PROMPTS[0], *range(90), last] for last in (1, 2, 3)]
    async with running(tiny) as engine:
        first = await generate(engine, prompts[0])
        answers = [first, *[await generate(engine, prompt) for prompt in prompts[1:]]]
        assert engine._manager.batch_processor.cache._total_prefix_length > 100
    assert answers == [reference(tiny.base, prompt) for prompt in prompts]


async def test_requests_side_by_side_keep_their_own_sampling():
    tiny = loaded("tiny")
    samplings = [
        Sampling(top_k=1),
        Sampling(temperature=0),
        Sampling(temperature=0.7, seed=1),
        Sampling(temperature=1.4, top_p=0.8, seed=2),
        Sampling(temperature=1.0, top_k=4, seed=3, repetition_penalty=1.5),
        Sampling(top_k=1, frequency_penalty=2.0),
    ]
    async with running(tiny) as engine:
        together = await asyncio.gather(*[generate(engine, PROMPTS[0], each) for each in samplings])
        alone = [await generate(engine, PROMPTS[0], each) for each in samplings]
    assert together == alone
    assert together[0] == together[1] == reference(tiny.base, PROMPTS[0])
    assert len({tuple(answer) for answer in together}) == len(samplings) - 1


async def test_penalties_keep_an_answer_from_repeating_itself():
    tiny = loaded("tiny")
    async with running(tiny) as engine:
        answer = await generate(engine, PROMPTS[1], Sampling(top_k=1, presence_penalty=50.0), max_tokens=40)
    assert len(set(answer)) == 40


async def test_penalties_leave_line_breaks_alone_where_that_is_asked_for():
    tiny = loaded("tiny")
    plain = reference(tiny.base, PROMPTS[1])
    sparing = Sampling(top_k=1, presence_penalty=-50.0, penalize_nl=False)
    async with running(tiny, line_breaks=frozenset(range(tiny.base.config.vocab_size))) as engine:
        assert await generate(engine, PROMPTS[1], sparing) == plain
        assert await generate(engine, PROMPTS[1], replace(sparing, penalize_nl=True)) != plain


async def test_dry_lets_nothing_come_again_that_is_longer_than_it_may_be():
    tiny = loaded("tiny")
    # What came once is so likely that it comes again and again.
    looping = Sampling(top_k=1, presence_penalty=-50.0)
    async with running(tiny) as engine:
        answer = await generate(engine, PROMPTS[1], looping, max_tokens=60)
        broken = await generate(
            engine, PROMPTS[1], replace(looping, dry_multiplier=200.0, dry_allowed_length=2), max_tokens=60
        )
    assert len(set(answer)) == 1
    whole = [*PROMPTS[1], *broken]
    threes = list(zip(whole, whole[1:], whole[2:], strict=False))
    assert len(set(threes)) == len(threes)


async def test_a_stop_token_ends_an_answer_and_is_its_last():
    tiny = loaded("tiny")
    answer = reference(tiny.base, PROMPTS[2])
    stop = answer[5]
    request = GenerationRequest("r", tuple(PROMPTS[2]), 16, Sampling(top_k=1), frozenset({stop}))
    async with running(tiny) as engine, engine.generate(request) as steps:
        collected = [step async for step in steps]
    assert [token for step in collected for token in step.token_ids] == answer[: answer.index(stop) + 1]
    assert [step.finish_reason for step in collected][-1] == "stop"
    assert not any(step.finish_reason for step in collected[:-1])


async def test_tokens_come_as_they_are_made_and_length_is_the_reason_at_the_limit():
    request = GenerationRequest("r", tuple(PROMPTS[2]), 24, Sampling(top_k=1))
    async with running(loaded("tiny")) as engine, engine.generate(request) as steps:
        collected = [step async for step in steps]
    assert sum(len(step.token_ids) for step in collected) == 24
    assert len(collected) >= 4  # those that are there when somebody looks come together
    assert collected[-1].finish_reason == "length"


async def test_an_answer_that_is_closed_frees_its_slot_and_its_cache():
    tiny = loaded("tiny")
    expected = reference(tiny.base, PROMPTS[1])
    async with running(tiny, slots=1) as engine:
        cache = engine._manager.batch_processor.cache
        await until(lambda: cache.get_num_free_blocks() == cache.num_blocks)
        steps = engine.generate(GenerationRequest("r", tuple(PROMPTS[0]), 900, Sampling(top_k=1)))
        await anext(steps)
        assert engine.load == EngineLoad(running=1, waiting=0, slots=1)
        waiting = asyncio.create_task(generate(engine, PROMPTS[1]))
        await until(lambda: engine.load.waiting == 1)
        await steps.aclose()
        assert await waiting == expected
        await until(lambda: cache.get_num_free_blocks() == cache.num_blocks)
        await until(lambda: not engine._manager.output_router.result_handlers)
        assert engine.load.running == 0


async def test_more_requests_than_slots_wait_and_more_than_the_queue_are_refused():
    async with running(loaded("tiny"), slots=2, queue_limit=3) as engine:
        tasks = [asyncio.create_task(generate(engine, prompt)) for prompt in PROMPTS[:5]]
        await until(lambda: engine.load.waiting == 3)
        with pytest.raises(QueueFull):
            await generate(engine, PROMPTS[5])
        answers = await asyncio.gather(*tasks)
    assert answers == [reference(loaded("tiny").base, prompt) for prompt in PROMPTS[:5]]


async def test_a_cache_that_is_too_small_for_all_makes_them_take_turns(monkeypatch: pytest.MonkeyPatch):
    tiny = loaded("tiny")
    begun_anew = RequestState.create_equivalent_initial_request
    evicted = []
    monkeypatch.setattr(
        RequestState,
        "create_equivalent_initial_request",
        lambda state: evicted.append(state) or begun_anew(state),
    )
    # Room for one whole request and a bit: the others are put back and taken up again.
    async with running(tiny, num_blocks=66, prefix_sharing=False) as engine:
        sampling = Sampling(top_k=1, frequency_penalty=1.0)
        tasks = [generate(engine, [*prompt, *range(200)], sampling, max_tokens=60) for prompt in PROMPTS[:6]]
        answers = await asyncio.gather(*tasks)
        alone = [
            await generate(engine, [*prompt, *range(200)], sampling, max_tokens=60) for prompt in PROMPTS[:2]
        ]
    assert evicted
    assert answers[:2] == alone
    assert all(len(answer) == 60 for answer in answers)


async def test_who_was_put_back_comes_in_again_where_all_others_are_cancelled():
    tiny = loaded("tiny")
    async with running(tiny, num_blocks=70, prefix_sharing=False) as engine:
        scheduler = engine._manager.batch_processor.scheduler
        tasks = [asyncio.create_task(generate(engine, [token] * 400, max_tokens=600)) for token in (1, 2, 3)]
        await until(lambda: scheduler.block_new_requests)
        # Requests have numbers in their order; the warm-up was 0.
        inside = [tasks[int(number) - 1] for number in scheduler.active_requests]
        [put_back] = set(tasks) - set(inside)
        for task in inside:
            task.cancel()
        async with asyncio.timeout(10):
            assert len(await generate(engine, PROMPTS[0])) == 16
            assert len(await put_back) == 600
    assert engine.failure is None


async def test_what_cannot_fit_is_refused_before_it_can_do_harm():
    async with running(loaded("tiny")) as engine:
        with pytest.raises(RequestRefused, match="1024"):
            engine.generate(GenerationRequest("r", (1,) * 1000, 200))
        assert engine.load.running == 0


async def test_a_crash_of_the_thread_fails_its_requests_and_is_told():
    async with running(loaded("tiny")) as engine:
        steps = engine.generate(GenerationRequest("r", tuple(PROMPTS[0]), 900, Sampling(top_k=1)))
        await anext(steps)

        def crash(*_):
            raise MemoryError("no room")

        engine._manager.batch_processor._generation_step = crash
        with pytest.raises(EngineError, match="no room"):
            async for _ in steps:
                pass
        assert "no room" in await asyncio.wait_for(engine.failed(), 5)
        assert engine.failure
        assert engine.load.running == 0
        with pytest.raises(EngineFailed):
            engine.generate(GenerationRequest("r", (1, 2), 5))


async def test_a_cache_that_holds_no_whole_request_is_refused_at_the_start():
    with pytest.raises(CannotRun, match=r"1024 tokens needs 65 blocks .* memory for 20"):
        async with running(loaded("tiny"), num_blocks=20):
            pass


async def test_the_gpu_is_measured_when_an_engine_starts(monkeypatch: pytest.MonkeyPatch):
    free = iter((8 * 2**30, 4 * 2**30))
    monkeypatch.setattr("model.engine.continuous.free_gpu_memory", lambda: next(free))
    async with (
        running(loaded("tiny"), gpu_memory=2**30) as first,
        running(loaded("tiny"), gpu_memory=2**30) as second,
    ):
        configs = [engine._manager.batch_processor.cb_config for engine in (first, second)]
    assert [config.max_memory_percent for config in configs] == [1 / 8, 1 / 4]


async def test_closing_ends_what_still_runs():
    async with running(loaded("tiny")) as engine:
        task = asyncio.create_task(generate(engine, PROMPTS[0], max_tokens=900))
        await until(lambda: engine.load.running == 1)
        await asyncio.sleep(0.05)
    with pytest.raises(EngineFailed):
        await task
    assert engine.load.running == 0


async def test_a_cancelled_request_is_in_no_step_but_the_one_that_is_being_made():
    async with running(loaded("tiny")) as engine:
        processor = engine._manager.batch_processor
        compute, batches = processor._generation_step, []

        def count(model):
            batches.append(set(processor.scheduler.active_requests))
            compute(model)

        processor._generation_step = count
        neighbour = asyncio.create_task(generate(engine, PROMPTS[1], max_tokens=200))
        steps = engine.generate(GenerationRequest("r", tuple(PROMPTS[0]), 900, Sampling(top_k=1)))
        await until(lambda: len(batches) > 3 and len(batches[-1]) == 1)
        await anext(steps)
        [number] = set(processor.scheduler.active_requests) - batches[1]
        await steps.aclose()
        made = len(batches)
        assert engine.load.running == 1
        await neighbour
    assert len(batches) > made + 20
    assert sum(number in batch for batch in batches[made:]) <= 1
