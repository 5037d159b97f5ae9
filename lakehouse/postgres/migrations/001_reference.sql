-- What symbols and exchanges mean, and which files were withdrawn: the truth that ingestion copies to bronze.
comment on schema crypto is 'Published by the crypto lakehouse: daily market data, indicators and their reference.';

create table if not exists crypto.symbols (
    symbol text primary key check (symbol = btrim(symbol, E' \t\r\n') and symbol <> ''),
    name text not null,
    category text not null,
    is_active boolean not null default true
);

-- Trades match case-insensitively: two spellings of one symbol would make that ambiguous.
create unique index if not exists symbols_one_spelling on crypto.symbols (upper(symbol));

comment on table crypto.symbols is 'One row per symbol that counts. One that has rows can only be made inactive.';
comment on column crypto.symbols.symbol is 'Symbol of the asset, as everything else spells it.';
comment on column crypto.symbols.name is 'Name of the asset.';
comment on column crypto.symbols.category is 'Kind of the asset, such as layer 1.';
comment on column crypto.symbols.is_active is 'False for a symbol that no longer trades; its history stays.';

create table if not exists crypto.exchanges (
    exchange text primary key check (exchange = btrim(exchange, E' \t\r\n') and exchange <> ''),
    name text not null,
    country text not null,
    website text not null
);

create unique index if not exists exchanges_one_spelling on crypto.exchanges (upper(exchange));

comment on table crypto.exchanges is 'One row per exchange whose trades count.';
comment on column crypto.exchanges.exchange is 'Exchange, as everything else spells it.';
comment on column crypto.exchanges.name is 'Name of the company.';
comment on column crypto.exchanges.country is 'Country of its head office.';
comment on column crypto.exchanges.website is 'Address of its home page.';

create table if not exists crypto.withdrawn_files (
    source_file text primary key check (source_file <> ''),
    reason text not null check (btrim(reason) <> ''),
    withdrawn_at timestamptz not null default now()
);

comment on table crypto.withdrawn_files is 'One row per landed file whose trades no longer count.';
comment on column crypto.withdrawn_files.source_file is 'Path of the file below trades/.';
comment on column crypto.withdrawn_files.reason is 'Why it was withdrawn.';
comment on column crypto.withdrawn_files.withdrawn_at is 'When it was withdrawn.';

insert into crypto.symbols (symbol, name, category) values
    ('BTC', 'Bitcoin', 'store of value'),
    ('ETH', 'Ethereum', 'smart contracts'),
    ('SOL', 'Solana', 'smart contracts'),
    ('MATIC', 'Polygon', 'scaling'),
    ('AVAX', 'Avalanche', 'smart contracts')
on conflict do nothing;

insert into crypto.exchanges (exchange, name, country, website) values
    ('Coinbase', 'Coinbase Global, Inc.', 'United States', 'https://www.coinbase.com'),
    ('Binance', 'Binance Holdings Ltd.', 'Malta', 'https://www.binance.com'),
    ('Kraken', 'Payward, Inc.', 'United States', 'https://www.kraken.com'),
    ('Gemini', 'Gemini Trust Company, LLC', 'United States', 'https://www.gemini.com')
on conflict do nothing;
