{#
    The recursion y = alpha * x + (1 - alpha) * previous y, seeded with the mean of the first `bars` values, in closed
    form: y(i) = q^i * sum of x(j) * weight(j) up to i, where q = 1 - alpha and weight(j) = alpha * q^-j.
    Weights grow without bound, so the series is cut into blocks: short enough for weights below 1e280 (-ln(q) is at
    most alpha / q), long enough that what lies three blocks back has faded below 1e-200. A block therefore starts from
    what the two before it carry over. There are few different lengths, so that several means share blocks and one sort.
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
    {%- set place -%} (({{ bar }} - {{ start }}) % {{ length }} + 1) {%- endset -%}
    {%- set weighted -%}
        sum({{ column }} * case
            when {{ bar }} <= {{ seed }} then power({{ q }}d, {{ start - 1 - seed }}) / {{ bars }}
            else {{ alpha }}d * power({{ q }}d, -{{ place }})
        end)
    {%- endset -%}
    {%- set earlier -%} over (partition by {{ partition }} order by {{ block }} range between {%- endset -%}
    case
        when
            {{ bar }} >= {{ seed }}
            and count({{ column }}) over (partition by {{ partition }} order by {{ bar }}) = {{ bar }} - {{ first - 1 }}
        then power({{ q }}d, {{ place }}) * (
            {{ weighted }} over (partition by {{ partition }}, {{ block }} order by {{ bar }})
            + power({{ q }}d, {{ length }}) * (
                coalesce({{ weighted }} {{ earlier }} 1 preceding and 1 preceding), 0)
                + power({{ q }}d, {{ length }})
                * coalesce({{ weighted }} {{ earlier }} 2 preceding and 2 preceding), 0)
            )
        )
    end
    {%- endif -%}
{%- endmacro %}
