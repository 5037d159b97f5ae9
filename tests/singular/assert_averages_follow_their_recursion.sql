-- From one day to the next, an exponential mean moves by alpha times its distance to the new value, also where blocks
-- of exponential_mean meet. Rounding errors scale with the largest number: after a crash, that is the previous mean.
{% set averages = {'ema_12': ('close', 12), 'ema_26': ('close', 26), 'macd_signal': ('macd', 9)} %}

with days as (
    select
        symbol, metric_date, close, macd,
        {% for name in averages -%}
        lag({{ name }}) over (partition by symbol order by metric_date) as previous_{{ name }},
        {% endfor -%}
        {{ averages | join(', ') }}
    from {{ ref('trading_indicators') }}
)

select *
from days
where
    false
    {%- for name, (value, bars) in averages.items() %}
    or abs({{ name }} - previous_{{ name }} - 2 / {{ bars + 1 }}d * ({{ value }} - previous_{{ name }}))
    > 1e-12 * greatest(close, abs({{ value }}), abs(previous_{{ name }}))
    {%- endfor %}
