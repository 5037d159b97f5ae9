{#-
    Writes a text as a SQL string literal. Spark replaces ${name} in the text of a statement, literals included, before
    it reads it: the brace is written as an escape, which is nothing to replace.
-#}
{% macro sql_literal(text) -%}
    '{{ text | replace("\\", "\\\\") | replace("'", "\\'") | replace("${", "$\\u007b") }}'
{%- endmacro %}
