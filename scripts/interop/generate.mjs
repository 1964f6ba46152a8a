// Writes what jose and fast-jwt export and sign, for the tests of crates/auth to read.
//
// usage: generate.mjs FOLDER   (by `scripts/interop/run generate`)
//
// Keys are new in every run. Of the private ones nothing is written.

import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { createSigner } from 'fast-jwt'
import * as jose from 'jose'

const version = name => createRequire(import.meta.url)(`${name}/package.json`).version

const issuer = 'https://issuer.example'
const audience = 'api'
const subject = 'alice'

const RSA = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']
const SECRETS = { HS256: 32, HS384: 48, HS512: 64 }

function claims(profile, kid) {
  const common = { iss: issuer, sub: subject, exp: 4102444800, iat: 1767225600 }
  return profile === 'rfc9068'
    ? { ...common, aud: audience, jti: `${kid}-1`, client_id: 'app', scope: 'notes:read' }
    : {
        ...common,
        aud: ['other', audience],
        name: 'Ålice \u{1F980}',
        roles: ['admin'],
        address: { city: 'Zürich', lines: [1, null, true] }
      }
}

const withJose = {
  library: 'jose',
  algorithms: [...RSA, 'ES256', 'ES384', 'EdDSA', 'Ed25519', ...Object.keys(SECRETS)],
  async key(alg, kid) {
    const pair = alg in SECRETS ? undefined : await jose.generateKeyPair(alg, { extractable: true })
    // Its secrets are as long as the hash.
    const secret = pair ? undefined : await jose.generateSecret(alg, { extractable: true })
    return {
      jwk: await jose.exportJWK(secret ?? pair.publicKey),
      pem: pair && (await jose.exportSPKI(pair.publicKey)),
      sign: (payload, typ) =>
        new jose.SignJWT(payload)
          .setProtectedHeader({ alg, kid, ...(typ && { typ }) })
          .sign(secret ?? pair.privateKey)
    }
  }
}

const withFastJwt = {
  library: 'fast-jwt',
  note: 'fast-jwt neither makes nor exports keys: keys, JWKs and PEMs are of node:crypto',
  // It does not know the name "Ed25519" (RFC 9864).
  algorithms: [...RSA, 'ES256', 'ES384', 'EdDSA', ...Object.keys(SECRETS)],
  async key(algorithm, kid) {
    const sign = key => (payload, typ) => createSigner({ key, algorithm, kid, typ })(payload)
    if (algorithm in SECRETS) {
      const secret = randomBytes(SECRETS[algorithm])
      return { jwk: { k: secret.toString('base64url') }, sign: sign(secret) }
    }
    const { publicKey, privateKey } = RSA.includes(algorithm)
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : algorithm === 'EdDSA'
        ? generateKeyPairSync('ed25519')
        : generateKeyPairSync('ec', { namedCurve: { ES256: 'P-256', ES384: 'P-384' }[algorithm] })
    return {
      jwk: publicKey.export({ format: 'jwk' }),
      pem: publicKey.export({ type: 'spki', format: 'pem' }),
      sign: sign(privateKey.export({ type: 'pkcs8', format: 'pem' }))
    }
  }
}

async function corpus({ library, note, algorithms, key }) {
  const jwks = { keys: [] }
  const [secrets, tokens, pems] = [[], [], []]
  for (const alg of algorithms) {
    const names = { kid: `${library}-${alg}`.toLowerCase(), alg }
    const { jwk, pem, sign } = await key(alg, names.kid)
    if (pem) {
      jwks.keys.push({ ...jwk, ...names, use: 'sig' })
      pems.push({ ...names, public: pem.trimEnd() + '\n' })
    } else {
      secrets.push({ ...names, k: jwk.k })
    }
    // Where no type is asked for, the library writes what it writes by itself.
    for (const [profile, typ] of [['rfc9068', 'at+jwt'], ['plain', undefined]]) {
      tokens.push({ ...names, profile, token: await sign(claims(profile, names.kid), typ) })
    }
  }
  const about = { library, version: version(library), ...(note && { note }) }
  return { ...about, issuer, audience, subject, jwks, secrets, tokens, pems }
}

for (const library of [withJose, withFastJwt]) {
  const file = await corpus(library)
  const path = join(process.argv[2], `${file.library}.json`)
  writeFileSync(path, JSON.stringify(file, null, 2) + '\n')
  console.log(`${path}: ${file.tokens.length} tokens of ${file.library} ${file.version}`)
}
