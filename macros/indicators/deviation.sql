{#
    Standard deviation of the last `bars` values: the square root of their squared distances from the mean, summed and
    divided by `bars` (population), or by bars - 1 if `sample` is true.
    Source: Welford (1962), whose method adds one value at a time and gives exactly 0 for a flat series.
    First bar: `bars`.
    Zero: a value like any other. Flat: 0. Null: null for `bars` bars. Gap: not detected, rows are counted.
    Single row: null.
#}
{% macro deviation(column, bars, sample=false, partition='symbol', bar='bars_seen') -%}
    {%- set mean = 'seen.mean + (value - seen.mean) / (seen.rows + 1d)' -%}
    {%- set step -%}
        (seen, value) -> named_struct(
            'rows', seen.rows + 1d,
            'mean', {{ mean }},
            'squares', seen.squares + (value - seen.mean) * (value - ({{ mean }}))
        )
    {%- endset -%}
    {%- set finish = 'seen -> sqrt(seen.squares / ' ~ (bars - 1 if sample else bars) ~ ')' -%}
    {%- set start = "named_struct('rows', 0d, 'mean', 0d, 'squares', 0d)" -%}
    {{ rolling_fold(column, column, bars, start, step, finish, partition, bar) }}
{%- endmacro %}
