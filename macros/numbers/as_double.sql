{#-
    A decimal as the nearest double, by way of its text.
    A direct cast divides two doubles on Sail, and on Spark for more than 15 digits: the result can be off by the last
    bit, and differently on each engine.
-#}
{% macro as_double(column) -%}
    cast(cast({{ column }} as string) as double)
{%- endmacro %}
