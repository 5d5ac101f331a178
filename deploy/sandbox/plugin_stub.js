// Plays the CryptoPro browser plug-in: the same objects and calls, signatures by the sandbox.
// <script src="…/_sandbox/plugin_stub.js?inn=7700000016&kind=organisation"></script>
(() => {
  "use strict";

  const source = new URL(document.currentScript.src);
  const kind = source.searchParams.get("kind") || "organisation";
  const later = (value) => Promise.resolve(value);

  async function ask(path, form) {
    const options = form && {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(form),
    };
    const answer = await fetch(source.origin + "/_sandbox/" + path, options || {});
    const body = await answer.json();
    if (!answer.ok) {
      throw new Error(body.error);
    }
    return body;
  }

  async function participants() {
    const named = source.searchParams.getAll("inn");
    return named.length ? named : (await ask("health")).participants;
  }

  class Certificate {
    constructor(inn, shown) {
      this.inn = inn;
      this.shown = shown;
    }
    get Thumbprint() { return later(this.shown.thumbprint); }
    get SubjectName() { return later(this.shown.subject); }
    get IssuerName() { return later(this.shown.issuer); }
    get SerialNumber() { return later(this.shown.serial); }
    get ValidFromDate() { return later(this.shown.valid_from); }
    get ValidToDate() { return later(this.shown.valid_to); }
    HasPrivateKey() { return later(true); }
    IsValid() {
      const now = Date.now();
      const valid = Date.parse(this.shown.valid_from) <= now
        && now <= Date.parse(this.shown.valid_to);
      return later({ Result: later(valid) });
    }
    PublicKey() {
      return later({
        Algorithm: later({ FriendlyName: later("RSA"), Value: later("1.2.840.113549.1.1.1") }),
      });
    }
    Export() {
      return later(this.shown.certificate_pem.replace(/-----[^-]+-----|\s/g, ""));
    }
  }

  class Certificates {
    constructor(items) { this.items = items; }
    get Count() { return later(this.items.length); }
    Item(number) { return later(this.items[number - 1]); }
    Find(what, value) {
      if (what !== plugin.CAPICOM_CERTIFICATE_FIND_SHA1_HASH) {
        return later(new Certificates(this.items));
      }
      const wanted = String(value).toUpperCase();
      return later(new Certificates(this.items.filter((c) => c.shown.thumbprint === wanted)));
    }
  }

  class Store {
    async Open() {
      const inns = await participants();
      const shown = await Promise.all(inns.map((inn) => ask(inn + "/signer?kind=" + kind)));
      this.items = inns.map((inn, n) => new Certificate(inn, shown[n]));
    }
    get Certificates() { return later(new Certificates(this.items)); }
    Close() { return later(); }
  }

  class Signer {
    propset_Certificate(certificate) { this.certificate = certificate; return later(); }
    propset_CheckCertificate() { return later(); }
    propset_Options() { return later(); }
    get AuthenticatedAttributes2() { return later({ Add: () => later() }); }
  }

  class Attribute {
    propset_Name() { return later(); }
    propset_Value() { return later(); }
  }

  class SignedData {
    propset_ContentEncoding(encoding) { this.encoding = encoding; return later(); }
    propset_Content(content) {
      if (this.encoding !== plugin.CADESCOM_BASE64_TO_BINARY) {
        throw new Error("ContentEncoding must be set to base64 before Content");
      }
      this.content = content;
      return later();
    }
    async SignCades(signer, _type, detached) {
      const form = { base64: this.content, detached: Boolean(detached), kind };
      const signed = await ask(signer.certificate.inn + "/sign", form);
      // The plug-in breaks its lines; a page that forgets to join them must fail here too.
      return signed.signature.replace(/(.{64})/g, "$1\r\n");
    }
  }

  class About {
    get Version() { return later("2.0.15400"); }
    get PluginVersion() {
      return later({ toString: () => later("2.0.15400"), MajorVersion: later(2) });
    }
    CSPVersion() { return later({ toString: () => later("5.0.13000") }); }
    CSPName() { return later("Demo"); }
  }

  const classes = {
    "cadescom.store": Store,
    "capicom.store": Store,
    "cadescom.cpsigner": Signer,
    "cadescom.cpattribute": Attribute,
    "cadescom.cadessigneddata": SignedData,
    "cadescom.about": About,
  };
  const plugin = Promise.resolve();
  Object.assign(plugin, {
    CAPICOM_CURRENT_USER_STORE: 2,
    CAPICOM_MY_STORE: "My",
    CAPICOM_STORE_OPEN_MAXIMUM_ALLOWED: 2,
    CAPICOM_CERTIFICATE_FIND_SHA1_HASH: 0,
    CAPICOM_CERTIFICATE_FIND_TIME_VALID: 9,
    CADESCOM_BASE64_TO_BINARY: 1,
    CADESCOM_STRING_TO_UCS2LE: 0,
    CADESCOM_CADES_BES: 1,
    CADESCOM_ENCODE_BASE64: 0,
    CADESCOM_AUTHENTICATED_ATTRIBUTE_SIGNING_TIME: 0,
    JSModuleVersion: "2.3.3",
    CreateObjectAsync(name) {
      const known = classes[String(name).toLowerCase()];
      return known ? later(new known()) : Promise.reject(new Error("unknown object " + name));
    },
    getLastError(error) { return error.message; },
  });
  window.cadesplugin = plugin;

  // The same interface in two calls, for pages that do not need the raw objects.
  window.sandboxSigner = {
    async listCertificates() {
      const store = new Store();
      await store.Open();
      return store.items.map((c) => ({ inn: c.inn, ...c.shown, private_key_pem: undefined }));
    },
    async sign(base64, { detached, inn }) {
      const chosen = inn || (await participants())[0];
      return (await ask(chosen + "/sign", { base64, detached, kind })).signature;
    },
  };
})();
