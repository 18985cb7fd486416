// A hint how hard a password is to guess. It errs on the strict side, and knows no dictionary.

const COMMON = /^(password|passwort|qwert[yz]|azerty|letmein|welcome|iloveyou|dragon|monkey|football|admin|login|master|sunshine|princess|secret|abc|hello|test|changeme|photo|stegcinn)/i;
const WORD_BITS = 13; // one of 8,000 words
const LEVELS = [
  [28, "Weak: this can be guessed."],
  [45, "Fair: fine against the curious. Add a word or two."],
  [64, "Good. One more word makes it strong."],
  [Infinity, "Strong."],
];

/** A score from 0 to 3 and one line about it; null for no password. */
export function strength(password) {
  if (!password) return null;
  const bits = estimate(password);
  const score = LEVELS.findIndex(([limit]) => bits < limit);
  return { score, text: LEVELS[score][1] };
}

function estimate(password) {
  let bits = 0;
  const seen = new Set();
  for (const [run] of password.matchAll(/\p{L}+|\p{N}+|[^\p{L}\p{N}]+/gu)) {
    const key = run.toLowerCase();
    if (seen.has(key)) {
      bits += /\p{L}|\p{N}/u.test(run) ? 1 : 0.5; // a repetition
      continue;
    }
    seen.add(key);
    const fresh = [...key].filter((c, i, all) => i === 0 || Math.abs(c.codePointAt(0) - all[i - 1].codePointAt(0)) > 1).length;
    if (/^\p{L}/u.test(run)) {
      const mixed = /\p{Ll}\p{Lu}/u.test(run) ? 4 : 0;
      bits += COMMON.test(run) ? 4 : Math.min(4.5 * fresh, WORD_BITS + Math.max(0, fresh - 6)) + mixed;
    } else if (/^\p{N}/u.test(run)) {
      bits += /^(19|20)\d\d$/.test(run) ? 6 : 3 * fresh;
    } else {
      bits += 4 * fresh;
    }
  }
  return bits;
}
