{#- Keys, given as a list of columns, that occur more than once. A null in a key counts as a value. -#}
{% test unique_combination(model, columns) %}

select
    {{ columns | join(', ') }},
    count(*) as rows_found
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1

{% endtest %}
