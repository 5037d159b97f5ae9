{#
    Pearson's correlation of the last `bars` pairs: covariance / square root of the product of the variances, limited to
    -1 to 1 against rounding. Spark's corr() would fail with a division by zero where one side is flat.
    Source: the definition; numpy corrcoef. First bar: `bars`.
    Zero: a value like any other. Flat: null if one side is flat over the window. Null: a null on either side gives null
    for `bars` bars. Gap: not detected, rows are counted. Single row: null.
#}
{% macro correlation(left, right, bars, partition='symbol_a, symbol_b', bar='bars_seen') -%}
    {%- set mean_a = 'seen.mean_a + (pair.a - seen.mean_a) / (seen.rows + 1d)' -%}
    {%- set mean_b = 'seen.mean_b + (pair.b - seen.mean_b) / (seen.rows + 1d)' -%}
    {%- set step -%}
        (seen, pair) -> named_struct(
            'rows', seen.rows + 1d,
            'mean_a', {{ mean_a }},
            'mean_b', {{ mean_b }},
            'squares_a', seen.squares_a + (pair.a - seen.mean_a) * (pair.a - ({{ mean_a }})),
            'squares_b', seen.squares_b + (pair.b - seen.mean_b) * (pair.b - ({{ mean_b }})),
            'products', seen.products + (pair.a - seen.mean_a) * (pair.b - ({{ mean_b }}))
        )
    {%- endset -%}
    {%- set start -%}
        named_struct(
            'rows', 0d, 'mean_a', 0d, 'mean_b', 0d, 'squares_a', 0d, 'squares_b', 0d, 'products', 0d
        )
    {%- endset -%}
    {%- set finish -%}
        seen -> case
            when seen.squares_a > 0 and seen.squares_b > 0
                then greatest(-1d, least(1d, seen.products / sqrt(seen.squares_a * seen.squares_b)))
        end
    {%- endset -%}
    {%- set pairs = "named_struct('a', " ~ left ~ ", 'b', " ~ right ~ ")" -%}
    {{ rolling_fold(pairs, left ~ ' + ' ~ right, bars, start, step, finish, partition, bar) }}
{%- endmacro %}
