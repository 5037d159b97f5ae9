{#- A text without white space at its ends (ASCII: space, tab, line ends, vertical tab, form feed); null if blank. -#}
{% macro trimmed(column) -%}
    nullif(btrim({{ column }}, ' \t\n\r\u000b\u000c'), '')
{%- endmacro %}
