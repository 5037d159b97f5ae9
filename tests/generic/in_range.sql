{#-
    Rows whose value is outside [min_value, max_value], or equal to a limit if `inclusive` is false.
    A null counts as outside unless `allow_null` is true; a NaN always does.
-#}
{% test in_range(model, column_name, min_value=none, max_value=none, inclusive=true, allow_null=false) %}

{%- if min_value is none and max_value is none -%}
    {{ exceptions.raise_compiler_error("in_range of " ~ model ~ " needs min_value, max_value or both.") }}
{%- endif -%}
{%- set edge = '' if inclusive else '=' %}
select {{ column_name }}
from {{ model }}
where
    cast({{ column_name }} as string) = 'NaN'
    {%- if not allow_null %}
    or {{ column_name }} is null
    {%- endif %}
    {%- if min_value is not none %}
    or {{ column_name }} <{{ edge }} {{ min_value }}
    {%- endif %}
    {%- if max_value is not none %}
    or {{ column_name }} >{{ edge }} {{ max_value }}
    {%- endif %}

{% endtest %}
