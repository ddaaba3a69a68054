// One member of one room, with another implementation of MLS (RFC 9420) than the messenger's: npm's ts-mls.
//
// A request is a line of JSON on standard input, and each is answered by one on standard output; docs/spec/rooms.md,
// section 9, describes both. All of MLS is done here, and nothing else is.
import { X509Certificate, createPrivateKey, createPublicKey, webcrypto } from "node:crypto";
import { createInterface } from "node:readline";

// Node before 20 has it under this name alone, and ts-mls looks for it when it is loaded.
globalThis.crypto ??= webcrypto;
const mls = await import("ts-mls");

const ROOM_EXTENSIONS = [0xff01, 0xff02, 0xff03];
const HOUR = 3600n;
const DAY = 24n * HOUR;
// A key in PKCS#8 (RFC 8410): what stands before its 32 bytes.
const PKCS8_ED25519 = "302e020100300506032b657004220420";

const suite = await mls.getCiphersuiteImpl(mls.getCiphersuiteFromName("MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519"));
// ts-mls takes the whole of the extension external_pub for the key; RFC 9420 section 12.4.3.2 has the key's length before it.
const X25519_BYTES = 32;
const importPublicKey = (key) =>
  suite.hpke.importPublicKey(key.length === X25519_BYTES + 1 && key[0] === X25519_BYTES ? key.slice(1) : key);
const suiteOfGuests = { ...suite, hpke: { ...suite.hpke, importPublicKey } };
let own; // the key package, until one is in
let entering; // the group after a commit of one's own that is not decided
let state; // the group, from then on

const bytes = (hex) => new Uint8Array(Buffer.from(hex, "hex"));
const hex = (bytes) => Buffer.from(bytes).toString("hex");
const forget = (secrets) => secrets.forEach(mls.zeroOutUint8Array);

/** The bytes of an Ed25519 public key. */
const raw = (key) => bytes(Buffer.from(key.export({ format: "jwk" }).x ?? "", "base64url").toString("hex"));

/** A leaf is accepted if its credential is one certificate, and its key the certificate's. Issuers are not looked at. */
async function validateCredential(credential, leafKey) {
  if (credential.credentialType !== "x509" || credential.certificates.length !== 1) return false;
  const { publicKey } = new X509Certificate(credential.certificates[0]);
  return publicKey.asymmetricKeyType === "ed25519" && hex(raw(publicKey)) === hex(leafKey);
}

// Two past epochs, as the messenger keeps; every leaf and every commit is checked as far as ts-mls can.
const config = {
  keyRetentionConfig: { retainKeysForGenerations: 16, retainKeysForEpochs: 2, maximumForwardRatchetSteps: 1024 },
  lifetimeConfig: { maximumTotalLifetime: 90n * DAY, validateLifetimeOnReceive: true },
  keyPackageEqualityConfig: mls.defaultKeyPackageEqualityConfig,
  paddingConfig: mls.defaultPaddingConfig,
  authService: { validateCredential },
};

/** The body of an MLSMessage, which has to be of this kind and end where the bytes do. */
function body(message, wireformat, name) {
  const [decoded, length] = mls.decodeMlsMessage(message, 0) ?? [];
  if (decoded?.wireformat !== wireformat) throw new Error(`expected ${wireformat}, found ${decoded?.wireformat}`);
  if (length !== message.length) throw new Error(`expected ${length} bytes, found ${message.length}`);
  return decoded[name];
}

const message = (wireformat, name, content) => hex(mls.encodeMlsMessage({ version: "mls10", wireformat, [name]: content }));

/** What a group is to this member. */
function told(group) {
  const removed = group.groupActiveState.kind === "removedFromGroup";
  const members = group.ratchetTree.flatMap((node, index) =>
    node?.nodeType === "leaf" ? [{ leaf: index / 2, key: hex(node.leaf.signaturePublicKey) }] : []);
  return {
    removed,
    room: hex(group.groupContext.groupId),
    epoch: Number(group.groupContext.epoch),
    leaf: group.privatePath.leafIndex,
    authenticator: removed ? null : hex(group.keySchedule.epochAuthenticator),
    members,
    extensions: Object.fromEntries(group.groupContext.extensions
      .filter((extension) => typeof extension.extensionType === "number")
      .map((extension) => [extension.extensionType.toString(16), hex(extension.extensionData)])),
  };
}

/** The group after a commit; the one before it is unchanged. */
async function after(commit) {
  const [decoded] = mls.decodeMlsMessage(bytes(commit), 0) ?? [];
  // A guest's own is in the clear.
  if (decoded?.wireformat === "mls_public_message") {
    return mls.processPublicMessage(state, body(bytes(commit), "mls_public_message", "publicMessage"), mls.emptyPskIndex, suite);
  }
  const processed = await mls.processPrivateMessage(state, body(bytes(commit), "mls_private_message", "privateMessage"),
    mls.emptyPskIndex, suite);
  if (processed.kind !== "newState") throw new Error("expected a commit, found a text");
  return processed;
}

/** A key package for a device's certificate and key, with what belongs to it. */
async function packageOf({ certificate, key }) {
  const publicKey = raw(createPublicKey(createPrivateKey({ key: Buffer.from(PKCS8_ED25519 + key, "hex"), format: "der", type: "pkcs8" })));
  const capabilities = { versions: ["mls10"], ciphersuites: [suite.name], extensions: ROOM_EXTENSIONS, proposals: [], credentials: ["x509"] };
  const now = BigInt(Math.floor(Date.now() / 1000));
  return mls.generateKeyPackageWithKey({ credentialType: "x509", certificates: [bytes(certificate)] }, capabilities,
    { notBefore: now - HOUR, notAfter: now + DAY }, [], { signKey: bytes(key), publicKey }, suite);
}

const answers = {
  async key_package(device) {
    own = await packageOf(device);
    return { key_package: message("mls_key_package", "keyPackage", own.publicPackage) };
  },
  async welcome({ welcome }) {
    state = await mls.joinGroup(body(bytes(welcome), "mls_welcome", "welcome"), own.publicPackage, own.privatePackage,
      mls.emptyPskIndex, suite, undefined, undefined, config);
    own = undefined;
    return told(state);
  },
  async external({ group_info, authenticated_data, ...device }) {
    const { publicPackage, privatePackage } = await packageOf(device);
    const { publicMessage, newState } = await mls.joinGroupExternal(body(bytes(group_info), "mls_group_info", "groupInfo"),
      publicPackage, privatePackage, false, suiteOfGuests, undefined, config, bytes(authenticated_data));
    entering = newState;
    return { ...told(entering), commit: message("mls_public_message", "publicMessage", publicMessage) };
  },
  async enter() {
    if (entering === undefined) throw new Error("expected a commit of one's own, found none");
    state = entering;
    entering = undefined;
    return told(state);
  },
  async stage({ commit }) {
    return told((await after(commit)).newState);
  },
  async merge({ commit }) {
    // Anew: texts may have been sealed and opened since it was staged, and their keys are gone.
    const { newState, consumed } = await after(commit);
    state = newState;
    forget(consumed);
    return told(state);
  },
  async seal({ plaintext }) {
    const { newState, privateMessage, consumed } = await mls.createApplicationMessage(state, bytes(plaintext), suite);
    state = newState;
    forget(consumed);
    return { message: message("mls_private_message", "privateMessage", privateMessage) };
  },
  async open({ message }) {
    const processed = await mls.processPrivateMessage(state, body(bytes(message), "mls_private_message", "privateMessage"),
      mls.emptyPskIndex, suite);
    if (processed.kind !== "applicationMessage") throw new Error("expected a text, found a commit");
    state = processed.newState;
    forget(processed.consumed);
    return { plaintext: hex(processed.message) };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  const answer = await answers[request.do](request).catch((error) => ({ error: `${error.name}: ${error.message}` }));
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
