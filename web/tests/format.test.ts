import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Block,
  difference,
  type Inline,
  isBig,
  loadLinker,
  matched,
  type Part,
  parse,
  plain,
  safeHref,
} from "../src/format.ts";

await loadLinker();

/** A tree in short: marks as tags, so that a case is one line. */
function short(items: Inline[]): string {
  return items
    .map((item) => {
      if (typeof item === "string") return item;
      switch (item.type) {
        case "strong":
          return `<b>${short(item.children)}</b>`;
        case "em":
          return `<i>${short(item.children)}</i>`;
        case "s":
          return `<s>${short(item.children)}</s>`;
        case "code":
          return `<c>${item.text}</c>`;
        case "hit":
          return `<m>${item.text}</m>`;
        case "link":
          return `<a ${item.href}>${item.text}</a>`;
        case "mention":
          return `<@ ${item.jid}>${item.text}</@>`;
        case "number":
          return `<n ${item.digits}>${item.text}</n>`;
      }
    })
    .join("");
}
const block = (one: Block): string => {
  switch (one.type) {
    case "p":
      return short(one.lines);
    case "quote":
      return `> ${short(one.lines)}`;
    case "pre":
      return `pre(${one.text})`;
    case "ul":
      return `ul(${one.items.map(short).join("|")})`;
    case "ol":
      return `ol${one.start}(${one.items.map(short).join("|")})`;
  }
};
const told = (text: string) => parse(text).map(block).join(" ¶ ");

const MARKS: [string, string][] = [
  ["plain", "plain"],
  ["*bold*", "<b>bold</b>"],
  ["_italic_", "<i>italic</i>"],
  ["~struck~", "<s>struck</s>"],
  ["`code`", "<c>code</c>"],
  ["*_both_*", "<b><i>both</i></b>"],
  ["_*both*_", "<i><b>both</b></i>"],
  ["*a _b_ c*", "<b>a <i>b</i> c</b>"],
  ["~*_three_*~", "<s><b><i>three</i></b></s>"],
  ["say *this* now", "say <b>this</b> now"],
  ["(*this*)", "(<b>this</b>)"],
  ["*this*, that", "<b>this</b>, that"],
  ["*two words*", "<b>two words</b>"],
  ["* item*", "ul(item*)"],
  ["*no *", "*no *"],
  ["2*3*4", "2*3*4"],
  ["a*b*", "a*b*"],
  ["*a*b", "*a*b"],
  ["snake_case_name", "snake_case_name"],
  ["*open", "*open"],
  ["close*", "close*"],
  ["**", "**"],
  ["****", "****"],
  ["*a\nb*", "*a\nb*"],
  ["*a*\n*b*", "<b>a</b>\n<b>b</b>"],
  ["*a* and *b*", "<b>a</b> and <b>b</b>"],
  ["*a _b* c_", "<b>a _b</b> c_"],
  ["`*not bold*`", "<c>*not bold*</c>"],
  ["``` x = *1* ```", "pre( x = *1* )"],
  ["a ```b\nc``` d", "a  ¶ pre(b\nc) ¶  d"],
  ["a ```b", "a ```b"],
  ["*ñandú*", "<b>ñandú</b>"],
  ["*مرحبا*", "<b>مرحبا</b>"],
  ["é*bold*", "é*bold*"],
  ["> quoted", "> quoted"],
  ["> one\n> two", "> one\ntwo"],
  [">not", ">not"],
  ["a\n> b\nc", "a ¶ > b ¶ c"],
  ["- one\n- two", "ul(one|two)"],
  ["* one\n* two", "ul(one|two)"],
  ["1. one\n2. two", "ol1(one|two)"],
  ["3. three\n4. four", "ol3(three|four)"],
  ["1. one\n5. five", "ol1(one) ¶ ol5(five)"],
  ["-no", "-no"],
  ["- *bold* item", "ul(<b>bold</b> item)"],
  ["list:\n- a\nafter", "list: ¶ ul(a) ¶ after"],
  ["a\n\nb", "a\n\nb"],
  ["", ""],
  ["   ", ""],
];
for (const [text, wanted] of MARKS) test(`marks: ${JSON.stringify(text)}`, () => assert.equal(told(text), wanted));

const LINKS: [string, string][] = [
  ["see https://example.org/a_b_c now", "see <a https://example.org/a_b_c>https://example.org/a_b_c</a> now"],
  ["https://example.org.", "<a https://example.org/>https://example.org</a>."],
  ["*https://example.org/x*", "<b><a https://example.org/x>https://example.org/x</a></b>"],
  ["javascript:alert(1)", "javascript:alert(1)"],
  ["data:text/html,x", "data:text/html,x"],
  ["mail a@example.org", "mail <a mailto:a@example.org>a@example.org</a>"],
  ["example.org/coast?map=2", "<a https://example.org/coast?map=2>example.org/coast?map=2</a>"],
  [
    "example.photography, a@example.online",
    "<a https://example.photography/>example.photography</a>, <a mailto:a@example.online>a@example.online</a>",
  ],
  ["_https://example.org/x_", "<i><a https://example.org/x>https://example.org/x</a></i>"],
  ["(*see https://example.org*).", "(<b>see <a https://example.org/>https://example.org</a></b>)."],
  ["„https://example.org“", "„<a https://example.org/>https://example.org</a>“"],
  ["地図https://example.org/あ", "地図<a https://example.org/%E3%81%82>https://example.org/あ</a>"],
  ["end.Next file.txt 12.5 1.2.3.4", "end.Next file.txt 12.5 1.2.3.4"],
  ["https://example.org/a_(b)", "<a https://example.org/a_(b)>https://example.org/a_(b)</a>"],
  ["ftp://example.org/x", "ftp://example.org/x"],
  ["+49 1555 010 9999 rang", "<n 4915550109999>+49 1555 010 9999</n> rang"],
  ["1+2 = 3", "1+2 = 3"],
  ["+12", "+12"],
];
for (const [text, wanted] of LINKS) test(`links: ${text}`, () => assert.equal(told(text), wanted));

test("a mention is shown by name wherever its number stands", () => {
  const found = parse("ask @4915 or *@4915*", [{ jid: "4915@c.us", name: "Tomás", as: "@4915" }]);
  assert.equal(found.map(block).join(""), "ask <@ 4915@c.us>@Tomás</@> or <b><@ 4915@c.us>@Tomás</@></b>");
});

test("only web and mail addresses may be followed", () => {
  for (const bad of ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "vbscript:x", "not a link"])
    assert.equal(safeHref(bad), null);
  for (const good of ["https://a.example/", "http://a.example/", "mailto:a@b.example"])
    assert.equal(safeHref(good), good);
});

test("up to three emoji alone are large", () => {
  for (const big of ["🌅", "🌅🧺", "👨‍👩‍👧", "🇵🇹", "👍🏽", "❤️ ❤️ ❤️"]) assert.ok(isBig(big), big);
  for (const small of ["1", "#", "42", "hi 🌅", "🌅🧺🌅🧺", "", "*"]) assert.ok(!isBig(small), small);
});

test("marks and links are gone in lists", () => assert.equal(plain("*a* _b_\n- c `d`"), "a b · c d"));

/** The parts of a text in which what is found stands in [ ]. */
const parts = (text: string): Part[] =>
  text
    .split(/[[\]]/)
    .map((piece, index): Part => [piece, index % 2 === 1])
    .filter(([piece]) => piece);
const HITS: [string, string][] = [
  ["*[bold]* word", "<b><m>bold</m></b> word"],
  ["*[bold] word*", "<b><m>bold</m> word</b>"],
  ["_a [hit] b_ and ~[c]~", "<i>a <m>hit</m> b</i> and <s><m>c</m></s>"],
  ["a*b [hit]*", "a*b <m>hit</m>*"],
  ["- [one]\n- two", "<m>one</m> · two"],
  ["> quoted [hit]\nafter", "quoted <m>hit</m> · after"],
  ["```code [hit]``` [out]", "code <m>hit</m>  <m>out</m>"],
  ["`[hit]` https://example.org/[hit]_a_", "<m>hit</m> https://example.org/<m>hit</m>_a_"],
  ["[👍🏽] *👍🏽* [x]", "<m>👍🏽</m> <b>👍🏽</b> <m>x</m>"],
  ["x * [*] y", "x * <m>*</m> y"],
  ["<b>[hit]</b> <script>", "<b><m>hit</m></b> <script>"],
];
for (const [text, wanted] of HITS) test(`hits: ${text}`, () => assert.equal(short(matched(parts(text))), wanted));

test("a hit in the number of a mention is shown in the name", () => {
  const tomas = [{ jid: "4915@c.us", name: "Tomás", as: "@4915" }];
  assert.equal(short(matched(parts("*ask* @[4915] [now]"), tomas)), "<b>ask</b> <m>@Tomás</m> <m>now</m>");
  assert.equal(short(matched(parts("ask @4915 [now]"), tomas)), "ask @Tomás <m>now</m>");
});

test("of a long text what surrounds the first hit is shown", () => {
  const words = "many words ".repeat(1000);
  for (const text of [`[hit] ${words}`, `${words}[hit] ${words}`, `${words}[hit]`, `${"x".repeat(9000)}[hit]`]) {
    const shown = short(matched(parts(text)));
    assert.ok(shown.includes("<m>hit</m>") && shown.length < 700, shown);
    assert.ok(shown.includes("…"));
  }
});

test("every opener of a long line looks for its end once", () => {
  const text = "*a ".repeat(20_000);
  assert.ok(told(text) === text);
});

test("looking for links takes time in proportion to the text, whatever it is", () => {
  const started = process.cpuUsage().user;
  for (const piece of ["_", "*.", "a.", "a@", "http://", "mailto:", "//", "(", "あhttp", "a-", "www.", "http://a:"])
    told(piece.repeat(65_000 / piece.length));
  const seconds = (process.cpuUsage().user - started) / 1e6;
  assert.ok(seconds < 20, `${seconds} s`);
});

test("what changed between two wordings is told word by word", () => {
  assert.deepEqual(difference("the good map.", "the good map of the coast."), [
    { text: "the good map", change: "same" },
    { text: " of the coast", change: "added" },
    { text: ".", change: "same" },
  ]);
  assert.deepEqual(difference("a b", "a b"), [{ text: "a b", change: "same" }]);
  for (const [before, after] of [
    ["", "x"],
    ["x", ""],
    ["a b c", "c b a"],
  ] as const) {
    const pieces = difference(before, after);
    assert.equal(
      pieces
        .filter((piece) => piece.change !== "gone")
        .map((piece) => piece.text)
        .join(""),
      after,
    );
    assert.equal(
      pieces
        .filter((piece) => piece.change !== "added")
        .map((piece) => piece.text)
        .join(""),
      before,
    );
  }
});
