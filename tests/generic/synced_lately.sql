{#- In Postgres, on the log of the sync: a row for each published table last synced more than `hours` ago. -#}
{% test synced_lately(model, hours) %}

select table_name, max(finished_at) as finished_at
from {{ model }}
group by table_name
having max(finished_at) < now() - interval '{{ hours }} hours'

{% endtest %}
