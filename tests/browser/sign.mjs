// Runs the page's signer over the emulator's plug-in: node sign.mjs SIGN_JS STUB_URL BASE64 DETACHED
import { readFileSync } from "node:fs";
import { runInThisContext } from "node:vm";

const [signJs, stubUrl, base64, detached] = process.argv.slice(2);
globalThis.window = globalThis;
globalThis.document = { currentScript: { src: stubUrl } };
runInThisContext(await (await fetch(stubUrl)).text());
runInThisContext(readFileSync(signJs, "utf8"));

const signer = globalThis.markingSigner;
const certificates = await signer.certificates();
const diagnosis = await signer.diagnose();
const signature = await signer.sign(certificates[0].thumbprint, base64, detached === "true");
let missing = "";
try {
  await signer.sign("00", base64, true);
} catch (error) {
  missing = error.message;
}
console.log(JSON.stringify({ certificates, diagnosis, signature, missing }));
