{#-
    Decides between the copies of an id: of the rows that break no rule by themselves the smallest stays, whatever
    came first, the others become duplicates. Gives a query of the candidates with their final reason.

    candidates  the CTE of rows to be screened
    keys        the CTE of their trade_key, which is far cheaper to read than they are

    Hardly any id has copies. Only rows whose key falls into the bucket of an id that has some are sorted and
    compared; the others pass.
-#}
{% macro contest(candidates, keys) %}
    {%- set payload = 'traded_at, price, volume, symbol, exchange, trade_type, user_id' -%}
    {%- set bucket = key_bucket(candidates ~ '.trade_key') -%}
    with repeated_keys as (
        select trade_key
        from {{ keys }}
        group by trade_key
        having count(*) > 1
    ),

    buckets as (
        select distinct {{ key_bucket('trade_key') }} as bucket
        from repeated_keys
    ),

    -- Rows that break a rule by themselves compete with nobody: each kind of reason is a contest of its own.
    ranked as (
        select /*+ broadcast(buckets) */
            {{ candidates }}.*,
            struct({{ payload }}) as payload,
            first_value(struct({{ payload }})) over smallest_first as kept_payload,
            row_number() over smallest_first as place
        from {{ candidates }}
        left semi join buckets on {{ bucket }} = buckets.bucket
        window smallest_first as (
            partition by trade_key, trade_id, reason
            order by
                {% for column in payload.split(', ') %}{{ column }} nulls last, {% endfor %}
                {% for column in raw_columns() %}raw_{{ column }} nulls last, {% endfor %}source_file, source_row
        )
    )

    select /*+ broadcast(buckets) */ {{ candidates }}.* except (reason), {{ candidates }}.reason
    from {{ candidates }}
    left anti join buckets on {{ bucket }} = buckets.bucket
    union all
    select
        * except (reason, payload, kept_payload, place),
        case
            when reason is not null then reason
            when place = 1 then null
            when payload = kept_payload then 'duplicate'
            else 'conflicting_duplicate'
        end as reason
    from ranked
{% endmacro %}
