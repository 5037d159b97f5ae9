{#
    The recursion y = alpha * x + (1 - alpha) * previous y, seeded with the mean of the first `bars` values, in closed
    form: y(i) = q^i * sum of x(j) * weight(j) up to i, where q = 1 - alpha and weight(j) = alpha * q^-j.
    Weights grow without bound, so the series is cut into blocks: short enough for weights below 1e280 (-ln(q) is at
    most alpha / q), long enough that what lies three blocks back has faded below 1e-200. A value is a running sum over
    its block and the two before it. There are few different lengths, so that several means share one sort.
    Source: the sum of a geometric series; TA-Lib's recursion gives the same values. First bar: first + bars - 1.
    Zero: a value like any other. Flat: that value. Null: null from then on, as in the recursion. Gap: not detected,
    rows are counted. Single row: null, unless bars = 1.
    `first` is the bar at which `column` has its first value; `bar` numbers the bars from 1.
#}
{% macro exponential_mean(column, alpha, bars, first=1, partition='symbol', bar='bars_seen') -%}
    {%- if bars == 1 -%} {{ column }}
    {%- else -%}
    {%- set q = 1 - alpha -%}
    {%- set longest = 644 * q / alpha -%}
    {%- set length = [100, 400, 1600, 6400, 25600, 102400, 409600] | select('le', longest) | list | last -%}
    {%- set seed = first + bars - 1 -%}
    {%- set start = 1 if seed <= length else first -%}
    {%- set block -%} (({{ bar }} - {{ start }}) div {{ length }}) {%- endset -%}
    case
        when
            {{ bar }} >= {{ seed }}
            and count({{ column }}) over (partition by {{ partition }} order by {{ bar }}) = {{ bar }} - {{ first - 1 }}
        then power({{ q }}d, ({{ bar }} - {{ start }}) % {{ length }} + 1) * case {{ block }} % 3
            {%- for shift in (2, 1, 0) %}
            {#- Three blocks share a partition in three ways; in each, places are counted from the last of the three. #}
            {%- set three -%} (({{ block }} + {{ shift }}) div 3) {%- endset -%}
            {%- set last_start -%} (({{ three }} * 3 + {{ 2 - shift }}) * {{ length }} + {{ start }}) {%- endset %}
            when {{ loop.index0 }} then sum(
                {{ column }} * if({{ bar }} <= {{ seed }}, {{ 1 / bars }}d, {{ alpha }}d)
                * power({{ q }}d, {{ last_start }} - 1 - greatest({{ bar }}, {{ seed }}))
            ) over (partition by {{ partition }}, {{ three }} order by {{ bar }})
            {%- endfor %}
        end
    end
    {%- endif -%}
{%- endmacro %}
