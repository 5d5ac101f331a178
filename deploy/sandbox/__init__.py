"""Strict emulator of the National Catalogue, True API and SUZ on one origin.

Start
    python -m deploy.sandbox --port 0 [--host 127.0.0.1] [--port-file FILE] [--time-scale 20]
        [--key-file FILE] [--state-file FILE] [--parent-pid PID | --detached]
    prints one line {"port", "url", "pid"} when it listens; ends on SIGTERM, SIGINT and with its
    parent (or `--parent-pid`), then writes the state file, if one is named.
    From tests: `from deploy.sandbox.driver import running, playing, Player`.
    The origin is nk_base_url, true_api_base_url and suz_base_url at once.

Time
    Every duration is nominal seconds divided by `--time-scale`: delays, token lives, rate
    windows, 90 days, and `advance_s`. `ms` of latency and Retry-After of faults are real.
    The header Date follows the clock of the participant.

Control: `/_sandbox/{inn}…`, JSON in and out, 400 with {"error"} on a wrong request.
`inn` = `any` stands for requests that name nobody (`auth/key`, unknown tokens).
    POST /reset {seed, name, oms_id, oms_connection, apikey, cards: 60, persons: [ИНН], switches}
         makes the participant anew, all fields optional; answers inn, name, oms_id,
         oms_connection, apikey. ИНН with right check digits (7700000016 is one).
    GET  ""                       the same passport
    GET, PUT /switches            fields of `switches.Switches`; PUT changes only what it names
    GET, PUT /cards               PUT [{gtin, good_id, name, tnved, good_status, detailed_status,
         mark_flag, turn_flag, technical, marked_code, certificates_known}] adds or replaces.
         Made by reset: gtin_of(1…cards) orderable; gtin_of(9001) draft, 9002 no mark flag,
         9003 not marked, 9004 no turn flag, 9005 needs certificates in the document; one 029….
    GET, PUT /clock {mode: manual|real, advance_s}
    POST /faults                  one fault or a list -> {fault_ids}; GET shows seen and fired;
         DELETE /faults[/{id}]
         {operation, action, match?, contains?, nth: 1, times: 1 (0: always), when?, …}
         operation: a pattern over nk.{product,feed_product,product_list,mark_check},
           true_api.{auth_key,sign_in_true_api,sign_in_suz,submit_document,document_list,
           document_info,cises_info,balance}, suz.{create_order,order_list,orders_search,
           order_status,fetch_codes,code_blocks,codes_retry,close_order,utilisation,dropout,
           report_info,receipt,receipt_search,ping,providers}
         match: {query parameter or dotted body path: value}; contains: text in the raw body
         when: before or after the commit; by default after for drop, truncated_json,
           wrong_type, extra_field, before for all others
         action: latency {ms}; drop; gate; status {status, shape: json|xml|html|empty, text,
           retry_after_s}; truncated_json; wrong_type {field, value}; extra_field;
           on create_order: decline {text}, reject {gtin, text}, stay {state: CREATED|PENDING,
           for_s}, list_lag {for_s}; on submit_document: verdict {state, errors},
           list_lag {for_s}; on reports: verdict {state, errors}; on fetch_codes: surplus,
           duplicate_code, malformed_code {count}; on codes_retry: altered_block;
           on any: expire, steal {token}, close {order_id}, foreign_order {products,
           production_order_id, fetched, fetched_by: api|ui}
    GET  /gates?count=1&wait_s=10 requests held now; waits for their arrival
    POST /gates/release {gate_id?, then: continue|drop}
    GET  /orders?production_order_id=   prefix; POST /orders {products: [{gtin, quantity}],
         production_order_id, fetched, fetched_by} makes one of the cabinet or another program;
         POST /orders/{id} {action: proceed|close|decline, text}
    GET  /documents               POST /documents/{number} {status, errors} gives the verdict
    GET  /tokens                  POST /tokens {action: expire|steal, kind: true_api|suz}
    GET  /ledger?order_id=        blocks with codes as handed out; GET /codes?order_id= statuses
    GET  /reports, /journal?operation=&after=&limit= (DELETE clears), /secrets
    GET  /invariants              {clean, violations, …}; `/_sandbox/invariants` for everybody
    GET  /signer?kind=            PEM key and certificate; kind: organisation, expired, person,
         foreign, untrusted
    POST /sign {base64, detached, kind?, person?} -> {signature}; `/_sandbox/plugin_stub.js?inn=`
         plays the CryptoPro plug-in in a browser on top of it. Both answer any origin.

Unpublished details, decided here: reaching the order limits is 400 with globalErrors
«Достигнут предел: не более N заказов в очереди» or «… активных заказов», errorCode 1500;
`page` of orders/search counts from 0; a dead clientToken is 401 JSON, a dead Bearer 401 XML;
every NK method has 100 calls a series; codes from an empty buffer are 400/3370.
"""
