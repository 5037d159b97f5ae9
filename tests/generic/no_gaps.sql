{#- Rows whose next row in the same partition is not one day later; this includes repeated days and null days. -#}
{% test no_gaps(model, column_name, partition_by) %}

with days as (

    select
        {{ partition_by }},
        {{ column_name }},
        lead({{ column_name }}) over (partition by {{ partition_by }} order by {{ column_name }}) as next_day
    from {{ model }}

)

select *
from days
where {{ column_name }} is null or datediff(next_day, {{ column_name }}) <> 1

{% endtest %}
