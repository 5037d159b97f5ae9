{#-
    Text without white space at either end (ASCII: space, tab, line ends, vertical tab, form feed); null if blank.
    Few texts need trimming, and looking at their first and last character costs a tenth of it.
-#}
{% macro trimmed(column) -%}
    {%- set trimmed -%} btrim({{ column }}, ' \t\n\r\u000b\u000c') {%- endset -%}
    nullif(if(ascii({{ column }}) > 32 and ascii(right({{ column }}, 1)) > 32, {{ column }}, {{ trimmed }}), '')
{%- endmacro %}
