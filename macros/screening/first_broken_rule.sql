{#-
    The first rule that a row of normalised values breaks, by its name in seeds/rejection_reasons.csv; null if it breaks
    none. Duplicates are found later, among the rows that break no rule: see resolve_duplicates.
-#}
{% macro first_broken_rule() -%}
    case
        when withdrawn_file is not null then 'withdrawn'
        when trade_id is null then 'missing_trade_id'
        when traded_at is null then 'invalid_timestamp'
        when symbol is null then 'unknown_symbol'
        when exchange is null then 'unknown_exchange'
        when coalesce(trade_type, '') not in ('BUY', 'SELL') then 'invalid_trade_type'
        when coalesce(price, 0) <= 0 then 'invalid_price'
        when raw_volume is null then 'missing_volume'
        when coalesce(volume, 0) <= 0 then 'invalid_volume'
    end
{%- endmacro %}
