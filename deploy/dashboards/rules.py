"""For marketers: what rules do, how much is held back and why, by rule and by channel."""

from __future__ import annotations

from deploy.dashboards.panels import OUTCOME_COLORS, Dashboard, Panel, Query, Row

_RULE = '@, rule=~"$rule"'
_DEFINITION = '@, definition=~"$rule"'
_CHANNEL = '@, channel=~"$channel"'

DASHBOARD = Dashboard(
    "rules",
    "Stream triggers: rules for marketers",
    "What rules do, how much is held back and why, by rule and by channel.",
    (
        Row(
            "In the time chosen",
            tuple(
                Panel(
                    title,
                    says,
                    (Query(f"sum(increase({series}[$__range]))"),),
                    kind="figure",
                    width=6,
                    height=4,
                )
                for title, says, series in (
                    (
                        "Matches",
                        "A rule's conditions held for a customer.",
                        f"stream_matches_total{{{_RULE}}}",
                    ),
                    (
                        "Sent",
                        "Messages that went to their channel.",
                        f'stream_channel_decisions_total{{{_CHANNEL}, outcome="sent"}}',
                    ),
                    (
                        "Held back",
                        "Messages that a guard kept from being sent: caps, consent, quiet hours and so on.",
                        f'stream_channel_decisions_total{{{_CHANNEL}, outcome="suppressed"}}',
                    ),
                    (
                        "Held out",
                        "Messages that the control groups did not get, to compare with.",
                        f'stream_channel_decisions_total{{{_CHANNEL}, outcome="holdout"}}',
                    ),
                )
            ),
        ),
        Row(
            "By rule",
            (
                Panel(
                    "Every rule",
                    "In the time chosen: how often its conditions held, and what became of it.",
                    (
                        Query(
                            f"sum by (rule) (increase(stream_matches_total{{{_RULE}}}[$__range]))", "Matches"
                        ),
                        *(
                            Query(
                                "sum by (rule) (increase(stream_decisions_total"
                                f'{{{_RULE}, outcome="{outcome}"}}[$__range]))'
                                # None yet is 0, not nothing.
                                f" or 0 * sum by (rule) (stream_matches_total{{{_RULE}}})",
                                title,
                            )
                            for outcome, title in (
                                ("sent", "Sent"),
                                ("suppressed", "Held back"),
                                ("deferred", "Put off"),
                                ("holdout", "Held out"),
                                ("shadow", "In shadow mode"),
                            )
                        ),
                    ),
                    kind="table",
                    width=24,
                    height=10,
                    key="rule",
                    decimals=0,
                ),
                Panel(
                    "Fires",
                    "Messages sent in a minute, the twenty busiest rules.",
                    (
                        Query(
                            "topk(20, 60 * sum by (rule) (rate(stream_decisions_total"
                            f'{{{_RULE}, outcome="sent"}}[$__rate_interval])))',
                            "{{rule}}",
                        ),
                    ),
                    width=12,
                    stacked=True,
                ),
                Panel(
                    "Held back",
                    "Messages in a minute, by rule and reason, the twenty most frequent. "
                    "With very many rules some reasons are told as `other`.",
                    (
                        Query(
                            "topk(20, 60 * sum by (rule, reason) (rate(stream_decisions_total"
                            f'{{{_RULE}, outcome=~"suppressed|other"}}[$__rate_interval])))',
                            "{{rule}}: {{reason}}",
                        ),
                    ),
                    width=12,
                    stacked=True,
                ),
            ),
        ),
        Row(
            "Conditions that end in errors",
            (
                Panel(
                    "Mistakes",
                    "Conditions in a minute that ended in an error, and did not hold: a text where a number "
                    "is compared (`value`), or it took too long (`cost`); and what traits could not take, "
                    "such as a text where numbers are added up (`value`). The twenty most frequent.",
                    (
                        Query(
                            "topk(20, 60 * sum by (definition, reason) (rate(stream_condition_errors_total"
                            f'{{{_DEFINITION}, reason!="missing"}}[$__rate_interval]))) > 0',
                            "{{definition}}: {{reason}}",
                        ),
                    ),
                    width=12,
                ),
                Panel(
                    "Something is not there",
                    "Conditions in a minute that asked for a field or an attribute that was not there. The "
                    "twenty most frequent. Normal where many lack it; a misspelt name looks the same.",
                    (
                        Query(
                            "topk(20, 60 * sum by (definition) (rate(stream_condition_errors_total"
                            f'{{{_DEFINITION}, reason="missing"}}[$__rate_interval]))) > 0',
                            "{{definition}}",
                        ),
                    ),
                    width=12,
                ),
            ),
        ),
        Row(
            "By channel",
            (
                Panel(
                    "What became of matches",
                    "Decisions in a minute.",
                    (
                        Query(
                            "60 * sum by (outcome) (rate(stream_channel_decisions_total"
                            f"{{{_CHANNEL}}}[$__rate_interval]))",
                            "{{outcome}}",
                        ),
                    ),
                    stacked=True,
                    colors=OUTCOME_COLORS,
                ),
                Panel(
                    "Why messages are held back",
                    "In a minute, by reason: `stale` (the event came late), `limit` (the rule's own), `cap`, "
                    "`consent`, `address`, `quiet`, `group` (a rule of higher priority went first), "
                    "`suppressed` (the policy), `content` (the text could not be made).",
                    (
                        Query(
                            "60 * sum by (reason) (rate(stream_channel_decisions_total"
                            f'{{{_CHANNEL}, outcome="suppressed"}}[$__rate_interval]))',
                            "{{reason}}",
                        ),
                    ),
                    stacked=True,
                ),
                Panel(
                    "Sent by channel",
                    "Messages in a minute.",
                    (
                        Query(
                            "60 * sum by (channel) (rate(stream_channel_decisions_total"
                            f'{{{_CHANNEL}, outcome="sent"}}[$__rate_interval]))',
                            "{{channel}}",
                        ),
                    ),
                    stacked=True,
                ),
                Panel(
                    "Share held back, by channel and reason",
                    "Of all decisions of the channel in the last hour.",
                    (
                        Query(
                            f"job_channel_reason:stream_suppressions:ratio_rate1h{{{_CHANNEL}}} > 0",
                            "{{channel}}: {{reason}}",
                        ),
                    ),
                    "percentunit",
                ),
                Panel(
                    "Held out",
                    "Messages in a minute that the control groups did not get, by channel.",
                    (
                        Query(
                            "60 * sum by (channel) (rate(stream_channel_decisions_total"
                            f'{{{_CHANNEL}, outcome="holdout"}}[$__rate_interval]))',
                            "{{channel}}",
                        ),
                    ),
                    stacked=True,
                ),
                Panel(
                    "Put off",
                    "Messages in a minute that wait for the end of quiet hours.",
                    (
                        Query(
                            "60 * sum by (channel) (rate(stream_channel_decisions_total"
                            f'{{{_CHANNEL}, outcome="deferred"}}[$__rate_interval]))',
                            "{{channel}}",
                        ),
                    ),
                    stacked=True,
                ),
            ),
        ),
    ),
    variables=(("rule", "stream_matches_total"), ("channel", "stream_channel_decisions_total")),
)
