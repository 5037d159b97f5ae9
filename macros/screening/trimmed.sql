{#-
    A text without white space at its ends (ASCII: space, tab, line ends, vertical tab, form feed); null if blank.
    Nearly all texts need none of it, and a look at their ends costs a tenth of the trimming.
-#}
{% macro trimmed(column) -%}
    {%- set trimmed -%} btrim({{ column }}, ' \t\n\r\u000b\u000c') {%- endset -%}
    nullif(if(ascii({{ column }}) > 32 and ascii(right({{ column }}, 1)) > 32, {{ column }}, {{ trimmed }}), '')
{%- endmacro %}
