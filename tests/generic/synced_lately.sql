{#- Of the sync's log, in Postgres: a row for each published table whose last sync is more than `hours` ago. -#}
{% test synced_lately(model, hours) %}

select table_name, max(finished_at) as finished_at
from {{ model }}
group by table_name
having max(finished_at) < now() - interval '{{ hours }} hours'

{% endtest %}
