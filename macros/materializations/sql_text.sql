{#- Writes a text as a SQL literal, without white space at its ends, for comments. -#}
{% macro sql_text(text) -%}
    {{ sql_literal(text | trim) }}
{%- endmacro %}


{#- Writes a text as a SQL literal, as it is. -#}
{% macro sql_literal(text) -%}
    '{{ text | replace("\\", "\\\\") | replace("'", "\\'") }}'
{%- endmacro %}
