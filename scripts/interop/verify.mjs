// Verifies with jose and fast-jwt what our command line wrote, and sees them refuse forgeries.
//
// usage: verify.mjs [FILE]   (by `scripts/interop/run verify`)

import { createPublicKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createVerifier } from 'fast-jwt'
import * as jose from 'jose'

const version = name => createRequire(import.meta.url)(`${name}/package.json`).version
const path = process.argv[2] ?? 'crates/auth/tests/interop/hardpoint.json'
const file = JSON.parse(readFileSync(path, 'utf8'))
const { issuer, subject, jwks } = file
const jwkOf = kid => jwks.keys.find(key => key.kid === kid)
const secretOf = kid => file.secrets.find(secret => secret.kid === kid)

// What must be there, besides being right where it is. The second is RFC 9068 §2.2.
const plain = ['iss', 'sub', 'aud', 'exp']
const REQUIRED = { plain, rfc9068: [...plain, 'iat', 'jti', 'client_id'] }
const TYPE = { plain: undefined, rfc9068: 'at+jwt' }

const withJose = {
  library: 'jose',
  badSignature: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
  badAudience: 'ERR_JWT_CLAIM_VALIDATION_FAILED',
  async isOf(jwk, pem) {
    const key = await jose.importSPKI(pem, jwk.alg, { extractable: true })
    const thumbprint = jose.calculateJwkThumbprint
    return (await thumbprint(await jose.exportJWK(key))) === (await thumbprint(jwk))
  },
  async verify({ kid, profile }, token, audience) {
    const secret = secretOf(kid)
    const key = secret
      ? await jose.importJWK({ ...secret, kty: 'oct' })
      : jose.createLocalJWKSet(jwks)
    const { protectedHeader } = await jose.jwtVerify(token, key, {
      algorithms: [(secret ?? jwkOf(kid)).alg],
      issuer,
      audience,
      subject,
      typ: TYPE[profile],
      requiredClaims: REQUIRED[profile]
    })
    return protectedHeader
  }
}

const withFastJwt = {
  library: 'fast-jwt',
  badSignature: 'FAST_JWT_INVALID_SIGNATURE',
  badAudience: 'FAST_JWT_INVALID_CLAIM_VALUE',
  // It reads PEM alone, so node:crypto reads the JWK for it.
  isOf: (jwk, pem) => createPublicKey({ key: jwk, format: 'jwk' }).equals(createPublicKey(pem)),
  verify({ kid, profile }, token, audience) {
    const secret = secretOf(kid)
    const key = secret
      ? Buffer.from(secret.k, 'base64url')
      : createPublicKey({ key: jwkOf(kid), format: 'jwk' }).export({ type: 'spki', format: 'pem' })
    const verifier = createVerifier({
      key,
      algorithms: [(secret ?? jwkOf(kid)).alg],
      allowedIss: issuer,
      allowedAud: audience,
      allowedSub: subject,
      checkTyp: TYPE[profile],
      requiredClaims: REQUIRED[profile],
      complete: true
    })
    return verifier(token).header
  }
}

class Failure extends Error {}

function check(holds, what) {
  if (!holds) throw new Failure(what)
}

// With another character in the middle of its signature.
function flipped(token) {
  const place = Math.floor((token.lastIndexOf('.') + token.length) / 2)
  return token.slice(0, place) + (token[place] === 'A' ? 'B' : 'A') + token.slice(place + 1)
}

async function judge({ library, badSignature, badAudience, isOf, verify }) {
  const refusal = async (...forgery) => {
    try {
      await verify(...forgery)
    } catch (error) {
      return error
    }
  }
  let [total, refused] = [0, 0]
  for (const entry of file.tokens) {
    const { alg, kid, profile, token } = entry
    const what = `${library}: ${kid}, ${profile}`
    const header = await (async () => verify(entry, token, file.audience))().catch(error => {
      throw new Failure(`${what}: refused: ${error}`)
    })
    check(header.alg === alg && header.kid === kid, `${what}: ${JSON.stringify(header)}`)
    total += 1
    // Each forgery must be refused for what is wrong with it, and not for anything else.
    let error = await refusal(entry, flipped(token), file.audience)
    check(error?.code === badSignature, `${what}: bad signature: ${error}`)
    error = await refusal(entry, token, 'somebody-else')
    const known = error?.code === badAudience && /\baud\b/.test(error.message)
    check(known, `${what}: wrong audience: ${error}`)
    refused += 2
  }
  for (const { kid, public: pem } of file.pems) {
    check(await isOf(jwkOf(kid), pem), `${library}: the PEM and the JWK of ${kid} differ`)
  }
  check(total > 0, `${library}: no tokens`)
  const about = `${library} ${version(library)}`
  return `${about}: ${total} of ${total} tokens verified, ${refused} forgeries refused`
}

for (const library of [withJose, withFastJwt]) {
  try {
    console.log(await judge(library))
  } catch (failure) {
    if (!(failure instanceof Failure)) throw failure
    console.error(failure.message)
    process.exitCode = 1
  }
}
