"""What `omniwatch plan` says of a model, as tables and sentences. It reckons nothing."""

from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from analyzers.omni.plan import amount, many
from appliance.model_plan import ModelPlan

WHY_LESS = (
    "The makers' figures are for the whole model in bf16. Ours are less: {left_out} are not loaded, pictures are 576x320 once a "
    "second and not of their default size twice a second (a fifth of the tokens), the head is multiplied at the answers alone and not at every "
    "token, and no keys and values are kept."
)


def show(found: ModelPlan, console: Console) -> None:
    """As tables."""
    where = f"{found.device} with {amount(found.memory_bytes)}"
    what = f"{found.family}, {many(found.parameters)} parameters, {found.held}"
    console.print(f"{escape(found.model)}: {what}, on {where}", highlight=False, soft_wrap=True)
    console.print(_parts(found))
    console.print(_windows(found))
    for line in _words(found):
        console.print(line, highlight=False)


def _table(first: str, *figures: str) -> Table:
    table = Table(first, box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in figures:
        table.add_column(heading, justify="right")
    return table


def _parts(found: ModelPlan) -> Table:
    table = _table("part", "parameters", "memory")
    for line in found.parts:
        table.add_row(line.part, many(line.parameters), amount(line.bytes))
    table.add_row("all weights", many(found.parameters), amount(found.weight_bytes))
    return table


def _windows(found: ModelPlan) -> Table:
    published = any(line.published_bf16_gb for line in found.windows)
    table = _table("window", "tokens", "at work", "in a batch", "at most", "fits", *(("makers say",) if published else ()))
    for line in found.windows:
        said = (f"{line.published_bf16_gb:.2f} GB" if line.published_bf16_gb else "",) if published else ()
        figures = (amount(each) for each in (line.work_bytes, line.batch_bytes, line.peak_bytes))
        row = (str(line.tokens), *figures, "yes" if line.fits else "no")
        table.add_row(f"{line.seconds:g} s", *row, *said)
    return table


def _words(found: ModelPlan) -> Iterator[str]:
    yield f"Loading takes {amount(found.loading_peak_bytes)} for a moment; {amount(found.library_bytes)} of that and of `at most` are libraries."
    yield f"Windows have sound, pictures of 576x320 once a second, and {found.policies} questions of 64 tokens."
    if found.described:
        yield "A window that is being described keeps its keys and values beside a batch; that is in the figures."
        yield (
            f"A description is at most {found.description_tokens} tokens, written one by one; a transcript, for policies that want it, at most "
            f"{found.transcript_tokens} more, when the description's keys and values have gone."
        )
    if any(line.published_bf16_gb for line in found.windows):
        yield WHY_LESS.format(left_out=found.left_out)
    if found.voice:
        parts = ", ".join(f"{line.part} {amount(line.bytes)}" for line in found.voice.parts)
        yield f"Its voice (`notify: speech: engine: omni`) would take {amount(found.voice.peak_bytes)} of the box's memory while it renders: {parts}."
    for other in found.companions:
        takes = f"{amount(other.weight_bytes)} of weights, {other.held}; with it the judge takes {amount(other.peak_bytes)} at most"
        yield f"{other.companion}, {escape(other.model)}: {takes}."
        if not other.fits:
            yield f"[bold red]It does not fit beside the others[/bold red]: in what they leave, {escape(other.advice)}."
    if found.advice:
        yield f"[bold red]It does not fit[/bold red]: {escape(found.advice)}."
