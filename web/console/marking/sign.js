// Signs bytes by the CryptoPro plug-in: raw calls of its objects, nothing else between.
(() => {
  "use strict";

  const ORGANISATION = "1.2.643.100.4";
  const PERSON = "1.2.643.3.131.1.1";
  const NAMES = { [ORGANISATION]: ["ИНН ЮЛ", "INNLE"], [PERSON]: ["ИНН", "INN"] };
  const KNOWN_FAULTS = [
    ["0x80070057", "Плагин не принял параметры. Обновите его до версии 2.0.13771 или новее."],
    ["0x800B010A", "Цепочка до корневого сертификата не строится. Установите корневой сертификат."],
    ["0x8009000D", "Нет закрытого ключа. Подключите носитель."],
    ["0x80090016", "Набор ключей не найден. Подключите носитель."],
    ["0x8010006E", "Подписание отменено в окне ввода ПИН."],
  ];

  // The plug-in's object is a promise itself, so no async function may return it.
  async function ready() {
    if (!window.cadesplugin) {
      throw new Error("Плагин КриптоПро не загружен. Установите плагин и расширение браузера.");
    }
    await window.cadesplugin;
  }

  function explained(error) {
    const given = window.cadesplugin && window.cadesplugin.getLastError
      ? window.cadesplugin.getLastError(error) : error.message;
    const text = String(given || error.message || error);
    const known = KNOWN_FAULTS.find(([code]) => text.toUpperCase().includes(code.toUpperCase()));
    return known ? `${known[1]} (${known[0]})` : text;
  }

  async function withStore(use) {
    await ready();
    const cades = window.cadesplugin;
    const store = await cades.CreateObjectAsync("CAdESCOM.Store");
    await store.Open(
      cades.CAPICOM_CURRENT_USER_STORE,
      cades.CAPICOM_MY_STORE,
      cades.CAPICOM_STORE_OPEN_MAXIMUM_ALLOWED,
    );
    try {
      return await use(await store.Certificates);
    } finally {
      await store.Close();
    }
  }

  function inns(subject) {
    const wanted = Object.entries(NAMES).flatMap(([oid, names]) => [oid, ...names]);
    const found = new Set();
    for (const part of subject.split(/,\s*(?=[^,]+=)/)) {
      const [name, value] = part.split("=", 2).map((word) => word.trim());
      if (value && wanted.includes(name.replace(/^OID\./i, ""))) {
        found.add(value.replace(/"/g, "").replace(/^00(?=\d{10}$)/, ""));
      }
    }
    return [...found];
  }

  // Certificates that can sign now: with a private key and in force.
  async function certificates() {
    return withStore(async (all) => {
      const found = [];
      for (let number = 1; number <= (await all.Count); number += 1) {
        const one = await all.Item(number);
        const subject = await one.SubjectName;
        const from = new Date(await one.ValidFromDate);
        const to = new Date(await one.ValidToDate);
        const now = new Date();
        if (from <= now && now <= to && (await one.HasPrivateKey())) {
          const thumbprint = await one.Thumbprint;
          found.push({ thumbprint, subject, inns: inns(subject), until: to.toISOString() });
        }
      }
      return found;
    });
  }

  // Base64 CMS in one line over the very bytes that `base64` stands for.
  async function sign(thumbprint, base64, detached) {
    try {
      return await withStore(async (all) => {
        const cades = window.cadesplugin;
        const fitting = await all.Find(cades.CAPICOM_CERTIFICATE_FIND_SHA1_HASH, thumbprint);
        if ((await fitting.Count) === 0) {
          throw new Error("Сертификат не найден в хранилище.");
        }
        const signer = await cades.CreateObjectAsync("CAdESCOM.CPSigner");
        await signer.propset_Certificate(await fitting.Item(1));
        await signer.propset_CheckCertificate(true);
        const data = await cades.CreateObjectAsync("CAdESCOM.CadesSignedData");
        // The encoding goes first, or the plug-in takes the text itself for the content.
        await data.propset_ContentEncoding(cades.CADESCOM_BASE64_TO_BINARY);
        await data.propset_Content(base64);
        const encoding = cades.CADESCOM_ENCODE_BASE64;
        const cms = await data.SignCades(signer, cades.CADESCOM_CADES_BES, detached, encoding);
        return cms.replace(/[\r\n]/g, "");
      });
    } catch (error) {
      throw new Error(explained(error));
    }
  }

  // What of the workplace is there: lines of [name, value or fault].
  async function diagnose() {
    const lines = [];
    async function look(name, ask) {
      try {
        lines.push([name, String(await ask())]);
      } catch (error) {
        lines.push([name, `нет: ${explained(error)}`]);
      }
    }
    await look("Плагин", async () => {
      await ready();
      const about = await window.cadesplugin.CreateObjectAsync("CAdESCOM.About");
      return (await about.PluginVersion).toString();
    });
    await look("КриптоПро CSP", async () => {
      await ready();
      const about = await window.cadesplugin.CreateObjectAsync("CAdESCOM.About");
      return (await about.CSPVersion("", 80)).toString();
    });
    await look("Действующих сертификатов с ключом", async () => (await certificates()).length);
    return lines;
  }

  window.markingSigner = { certificates, sign, diagnose };
})();
