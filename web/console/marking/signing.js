// The page «На подпись · Вход»: one sitting, one certificate, one request after another.
(() => {
  "use strict";

  const API = "/api/v1/marking";
  const PURPOSES = {
    auth_true_api: "Вход в Честный ЗНАК",
    auth_suz: "Вход в СУЗ",
    document: "Документ",
    suz_order: "Заказ СУЗ",
    suz_close: "Закрытие заказа СУЗ",
    suz_report: "Отчёт СУЗ",
  };
  const at = (id) => document.getElementById(id);
  let csrf = "";

  async function call(method, path, body) {
    const headers = { "X-CSRF-Token": csrf };
    if (method === "POST") {
      headers["Idempotency-Key"] = crypto.randomUUID();
      headers["Content-Type"] = "application/json";
    }
    const answer = await fetch(API + path, {
      method, headers, body: body === undefined ? undefined : JSON.stringify(body),
    });
    const read = await answer.json();
    if (!answer.ok) {
      throw new Error([read.title, read.detail].filter(Boolean).join(": "));
    }
    return read;
  }

  function say(text, wrong = false) {
    at("said").textContent = text;
    at("said").className = wrong ? "wrong" : "";
  }

  async function guarded(work) {
    try {
      await work();
    } catch (error) {
      say(error.message, true);
    }
  }

  async function enter(event) {
    event.preventDefault();
    const form = new FormData(at("login"));
    const body = { login: form.get("login"), password: form.get("password") };
    await guarded(async () => {
      csrf = (await call("POST", "/session", body)).csrf;
      await show();
    });
  }

  async function leave() {
    await guarded(async () => {
      await call("DELETE", "/session");
      location.reload();
    });
  }

  async function show() {
    at("login").hidden = true;
    at("desk").hidden = false;
    const { items } = await call("GET", "/participants");
    at("participant").replaceChildren(...items.map((one) => {
      const option = document.createElement("option");
      option.value = one.id;
      option.dataset.inn = one.inn;
      option.textContent = `${one.name}, ИНН ${one.inn}`;
      return option;
    }));
    await guarded(showCertificates);
    await showRequests();
  }

  async function showCertificates() {
    const found = await window.markingSigner.certificates();
    at("certificate").replaceChildren(...found.map((one) => {
      const option = document.createElement("option");
      option.value = one.thumbprint;
      option.textContent = `${one.subject} до ${one.until.slice(0, 10)}`;
      option.dataset.inns = one.inns.join(" ");
      return option;
    }));
    choose();
  }

  // The organisation's own certificate first; one under a power of attorney may be chosen too.
  function choose() {
    const inn = (at("participant").selectedOptions[0] || { dataset: {} }).dataset.inn;
    const own = [...at("certificate").options].find((o) => o.dataset.inns.split(" ").includes(inn));
    if (own) {
      at("certificate").value = own.value;
    }
  }

  async function showRequests() {
    choose();
    const { items } = await call("GET", `/sign-requests?participant=${at("participant").value}`);
    at("requests").replaceChildren(...items.map(row));
    at("nothing").hidden = items.length > 0;
  }

  function row(request) {
    const line = document.createElement("tr");
    const box = document.createElement("input");
    Object.assign(box, { type: "checkbox", checked: true, request });
    const words = [PURPOSES[request.purpose] || request.purpose, request.summary.join("; "),
      request.payload_sha256];
    const cells = words.map((word) => {
      const cell = document.createElement("td");
      cell.textContent = word;
      return cell;
    });
    const first = document.createElement("td");
    first.append(box);
    line.append(first, ...cells);
    return line;
  }

  async function signChosen() {
    const chosen = [...at("requests").querySelectorAll("input:checked")].map((b) => b.request);
    const thumbprint = at("certificate").value;
    let done = 0;
    await guarded(async () => {
      for (const request of chosen) {
        const signature = await window.markingSigner.sign(
          thumbprint, request.payload, request.detached,
        );
        await call("POST", `/sign-requests/${request.id}/signature`, { signature });
        done += 1;
        say(`Подписано ${done} из ${chosen.length}`);
      }
    });
    await guarded(showRequests);
  }

  async function signIn() {
    await guarded(async () => {
      const { complete } = await call("POST", `/participants/${at("participant").value}/sign-in`, {});
      say(complete ? "Вход выполнен." : "Подпишите два запроса на вход.");
      await showRequests();
    });
  }

  async function diagnose() {
    const lines = await window.markingSigner.diagnose();
    at("diagnosis").textContent = lines.map(([name, value]) => `${name}: ${value}`).join("\n");
  }

  async function begin() {
    at("login").addEventListener("submit", enter);
    at("leave").addEventListener("click", leave);
    at("sign").addEventListener("click", signChosen);
    at("sign-in").addEventListener("click", signIn);
    at("refresh").addEventListener("click", () => guarded(showRequests));
    at("participant").addEventListener("change", () => guarded(showRequests));
    at("diagnose").addEventListener("click", diagnose);
    try {
      csrf = (await call("GET", "/session")).csrf;
    } catch {
      return;
    }
    await guarded(show);
  }

  begin();
})();
