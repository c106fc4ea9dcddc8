"""Of one box's dashboard: how its model keeps up, and how its scores lie to the thresholds."""

from appliance.dashboards.panel import Colour, Kind, Panel, Query, Row, Unit

GOOD, BAD = Colour.GOOD, Colour.BAD
IDLE = "the box has no model, or nothing woke it"

JUDGING = Row(
    title="Judging",
    panels=(
        Panel(
            title="From a window's end to: $stage",
            shows="How old windows are at the stage chosen above: arrived at the supervisor, cued (answered from cues), judged (by the model),"
            " delivered (an alarm's opening, acknowledged by the other end). Bright cells hold most.",
            kind=Kind.HEAT,
            unit=Unit.SECONDS,
            queries=(
                Query(expr='sum by (le) (increase(omniwatch_window_age_seconds_bucket{@, stage="$stage"}[$__rate_interval]))', legend="{{le}}"),
            ),
        ),
        Panel(
            title="Latency by stage",
            shows="Of ten minutes, 19 windows in 20 reach each stage within. Good: judged well under half of max_age, delivered some tenths of a"
            " second later.",
            kind=Kind.LINES,
            unit=Unit.SECONDS,
            queries=(
                Query(
                    expr="histogram_quantile(0.95, sum by (stage, le) (rate(omniwatch_window_age_seconds_bucket{@}[10m])))",
                    legend="{{stage}}",
                ),
            ),
        ),
        Panel(
            title="Time a batch takes",
            shows="How long the model works on a batch: half of them, and 19 in 20, within. Must stay well under its deadline.",
            kind=Kind.LINES,
            width=8,
            unit=Unit.SECONDS,
            queries=tuple(
                Query(
                    expr=f"histogram_quantile({share}, sum by (le) (rate(omniwatch_judge_batch_seconds_bucket{{@}}[10m])))",
                    legend=name,
                    empty=IDLE,
                )
                for share, name in ((0.5, "half"), (0.95, "19 in 20"))
            ),
        ),
        Panel(
            title="How busy the model is",
            shows="Share of the time in which it works on something. Over 85 % it begins to drop windows.",
            kind=Kind.LINES,
            width=8,
            unit=Unit.SHARE,
            lines_at_steps=True,
            steps=((None, GOOD), (0.85, BAD)),
            queries=(Query(expr="sum(rate(omniwatch_judge_batch_seconds_sum{@}[$__rate_interval]))", legend="busy"),),
        ),
        Panel(
            title="Questions and what waits",
            shows="Views asked about a second, how many a batch holds, and questions that wait for their turn.",
            kind=Kind.LINES,
            width=8,
            unit=Unit.NUMBER,
            queries=(
                Query(expr="sum(rate(omniwatch_judge_batch_questions_sum{@}[$__rate_interval]))", legend="asked a second"),
                Query(
                    expr="sum(rate(omniwatch_judge_batch_questions_sum{@}[10m])) / sum(rate(omniwatch_judge_batch_questions_count{@}[10m]))",
                    legend="in a batch",
                    empty=IDLE,
                ),
                Query(expr="sum(omniwatch_queue_depth{@})", legend="waiting"),
            ),
        ),
        Panel(
            title="Outcomes a second",
            shows="What became of each policy on each window. Most are no or not asked; of the policies chosen above.",
            kind=Kind.LINES,
            width=8,
            unit=Unit.A_SECOND,
            stacked=True,
            queries=(
                Query(
                    expr='sum by (verdict) (rate(omniwatch_judgements_total{@, policy=~"$policy"}[$__rate_interval]))',
                    legend="{{verdict}}",
                ),
            ),
        ),
        Panel(
            title="Why there was no answer",
            shows="Outcomes that are neither yes nor no, by reason. Quiet is the gate's; superseded and too_old are a model that is too slow;"
            " judge_down and judge_fault one that is broken.",
            kind=Kind.LINES,
            width=8,
            unit=Unit.A_SECOND,
            stacked=True,
            queries=(
                Query(
                    expr='sum by (cause) (rate(omniwatch_judgements_total{@, policy=~"$policy", cause!=""}[$__rate_interval]))',
                    legend="{{cause}}",
                ),
            ),
        ),
        Panel(
            title="Media tokens a second",
            shows="Picture and sound that the model took in: its throughput.",
            kind=Kind.LINES,
            width=8,
            unit=Unit.A_SECOND,
            queries=(Query(expr="sum(rate(omniwatch_judge_media_tokens_total{@}[$__rate_interval]))", legend="tokens"),),
        ),
        Panel(
            title="Descriptions",
            shows="Alarms of the model that it has described, those that it has not, by why, and the share of its time that this takes: a fifth at"
            " most. Stale is a model that is too busy; gone one that came too late for the pictures. Transcripts of what was said, where a policy"
            " wants one: words, cut where there were more, silence, or missing where no time was left.",
            kind=Kind.LINES,
            width=16,
            unit=Unit.NUMBER,
            queries=(
                Query(expr="sum(increase(omniwatch_descriptions_asked_total{@}[1h]))", legend="asked for in an hour"),
                Query(expr="sum(increase(omniwatch_descriptions_written_total{@}[1h]))", legend="written"),
                Query(expr='sum(increase(omniwatch_description_first_word_seconds_bucket{@, le="5.0"}[1h]))', legend="begun within 5 s"),
                Query(expr="sum by (reason) (increase(omniwatch_descriptions_unwritten_total{@}[1h]))", legend="not: {{reason}}"),
                Query(expr="sum by (outcome) (increase(omniwatch_transcripts_total{@}[1h]))", legend="transcript: {{outcome}}"),
                Query(expr="sum(rate(omniwatch_descriptions_judge_seconds_total{@}[10m]))", legend="share of the model's time"),
            ),
        ),
        Panel(
            title="Second looks",
            shows="Answers near a threshold that another model was asked again, by what came of it: agreed, changed, late where no time was left, or"
            " failed. One that never changes anything is not worth its time.",
            kind=Kind.LINES,
            width=8,
            unit=Unit.NUMBER,
            queries=(Query(expr="sum by (outcome) (increase(omniwatch_judge_second_looks_total{@}[1h]))", legend="{{outcome}}"),),
        ),
        Panel(
            title="Memory",
            shows="Of the box's main process, of the model's process, of its weights, and of the accelerator as far as the model holds it. A line"
            " that climbs for days is a leak.",
            kind=Kind.LINES,
            unit=Unit.BYTES,
            queries=(
                Query(expr="sum(omniwatch_process_resident_memory_bytes{@})", legend="box"),
                Query(
                    expr="sum(omniwatch_judge_process_resident_memory_bytes{@})",
                    legend="model's process",
                    empty="the box has no model",
                ),
                Query(expr="sum(omniwatch_judge_weight_bytes{@})", legend="weights"),
                Query(expr="sum(omniwatch_judge_device_memory_bytes{@})", legend="accelerator"),
            ),
        ),
        Panel(
            title="Processor time",
            shows="Processors in use by the box's main process and by the model's: 1 is one core. The sensors' processes are not in it.",
            kind=Kind.LINES,
            unit=Unit.NUMBER,
            queries=(
                Query(expr="sum(rate(omniwatch_process_cpu_seconds_total{@}[$__rate_interval]))", legend="box"),
                Query(
                    expr="sum(rate(omniwatch_judge_process_cpu_seconds_total{@}[$__rate_interval]))",
                    legend="model's process",
                    empty="the box has no model",
                ),
            ),
        ),
    ),
)

SCORES = Row(
    title="Scores",
    panels=(
        Panel(
            title="Highest scores against thresholds",
            shows="Of each policy, the score that one answer in a hundred of ten minutes reaches, less the policy's threshold (natural log-odds): 0"
            " and more is a yes. A quiet policy that lives just under 0 is about to raise false alarms; one that never comes near may never"
            " raise any.",
            kind=Kind.LINES,
            unit=Unit.NONE,
            lines_at_steps=True,
            steps=((None, GOOD), (0, BAD)),
            queries=(
                Query(
                    expr='histogram_quantile(0.99, sum by (policy, by, le) (rate(omniwatch_score_log_odds_bucket{@, policy=~"$policy"}[10m])))'
                    " - on (policy, by) max by (policy, by) (omniwatch_policy_threshold_log_odds{@})",
                    legend="{{policy}} by {{by}}",
                ),
            ),
        ),
        Panel(
            title="How scores spread",
            shows="How often which scores came (natural log-odds), of the policies chosen above: choose one. Two clouds far apart are good; one"
            " cloud at the threshold is guessing.",
            kind=Kind.HEAT,
            unit=Unit.NONE,
            queries=(Query(expr='sum by (le) (increase(omniwatch_score_log_odds_bucket{@, policy=~"$policy"}[$__rate_interval]))', legend="{{le}}"),),
        ),
        Panel(
            title="Thresholds",
            shows="The score from which each policy's answer is a yes, by who answers (natural log-odds; 0 is a probability of one half). That of"
            " cues is 0 by its making.",
            kind=Kind.BARS,
            unit=Unit.NONE,
            queries=(Query(expr='max by (policy, by) (omniwatch_policy_threshold_log_odds{@, policy=~"$policy"})', legend="{{policy}} by {{by}}"),),
        ),
        Panel(
            title="Share of yes",
            shows="Of each policy's answers in the time shown, those that were yes. Good: rare.",
            kind=Kind.BARS,
            unit=Unit.SHARE,
            queries=(
                Query(
                    expr='sum by (policy) (increase(omniwatch_judgements_total{@, policy=~"$policy", verdict="yes", by!="supervisor"}[$__range]))'
                    " / sum by (policy)"
                    ' (increase(omniwatch_judgements_total{@, policy=~"$policy", verdict=~"yes|no|unsure", by!="supervisor"}[$__range]))',
                    legend="{{policy}}",
                ),
            ),
        ),
    ),
)
