{#-
    Decides which row of each repeated trade id counts. Among the rows of an id that break no rule themselves, the one
    with the smallest values is kept, whatever order they arrived in; the others become duplicates. Gives a query of the
    candidates with their final reason.

    candidates    CTE of the rows to screen, with the rule that each breaks itself as row_reason
    keys          CTE of the trade_key of every candidate, much cheaper to read than the candidates

    Few ids are repeated, so only rows in the bucket of a repeated key are sorted and compared.
-#}
{% macro resolve_duplicates(candidates, keys) %}
    {%- set payload = 'traded_at, price, volume, symbol, exchange, trade_type, user_id' -%}
    {%- set bucket = key_bucket(candidates ~ '.trade_key') -%}
    with counted_keys as (
        select trade_key, count(*) > 1 as is_repeated
        from {{ keys }}
        group by trade_key
    ),

    -- Every candidate has a bucket: an inner join with the few buckets first marks them all without a shuffle.
    buckets as (
        select {{ key_bucket('trade_key') }} as bucket, max(is_repeated) as may_repeat
        from counted_keys
        group by {{ key_bucket('trade_key') }}
    ),

    marked as (
        select /*+ broadcast(buckets) */ {{ candidates }}.*, buckets.may_repeat
        from buckets
        inner join {{ candidates }} on buckets.bucket = {{ bucket }}
    ),

    -- A row with a row_reason is never kept, so the rows without one are ranked among themselves.
    resolved as (
        select
            marked.*,
            case
                when row_reason is not null then row_reason
                when row_number() over smallest_first = 1 then null
                when struct({{ payload }}) = first_value(struct({{ payload }})) over smallest_first then 'duplicate'
                else 'conflicting_duplicate'
            end as reason
        from marked
        where may_repeat
        window smallest_first as (
            partition by trade_key, trade_id, row_reason
            order by
                {% for column in payload.split(', ') %}{{ column }} nulls last, {% endfor %}
                {% for column in raw_columns() %}raw_{{ column }} nulls last, {% endfor %}source_file, source_row
        )
    )

    select marked.*, marked.row_reason as reason
    from marked
    where not may_repeat
    union all
    select resolved.* from resolved
{% endmacro %}
