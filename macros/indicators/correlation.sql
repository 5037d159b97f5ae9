{#
    Pearson's correlation of the last `bars` pairs, kept within -1 and 1 against rounding.
    Source: the definition; TA-Lib CORREL. First bar: `bars`.
    Zero is a value like others; a side that is flat over the window gives null; a null on either side gives null for
    `bars` bars; a gap is not seen; a single row gives null.
#}
{% macro correlation(left, right, bars, partition='symbol_a, symbol_b', bar='bars_seen') -%}
    {%- set pairs = left ~ ' + ' ~ right -%}
    case
        when
            {{ rolling('max(' ~ left ~ ')', pairs, bars, partition, bar) }}
            > {{ rolling('min(' ~ left ~ ')', pairs, bars, partition, bar) }}
            and {{ rolling('max(' ~ right ~ ')', pairs, bars, partition, bar) }}
            > {{ rolling('min(' ~ right ~ ')', pairs, bars, partition, bar) }}
        then greatest(-1, least(1, {{ rolling('corr(' ~ left ~ ', ' ~ right ~ ')', pairs, bars, partition, bar) }}))
    end
{%- endmacro %}
