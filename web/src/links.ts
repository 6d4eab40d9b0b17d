/** Where links are in a text. A separate module, because it is large and can load late: links move no text. */
import LinkifyIt from "linkify-it";

// With all of two letters; names in other domains are links only after http:// or https://.
const TOP_LEVELS =
  "com org net edu gov mil int info biz name pro mobi travel jobs museum aero coop post " +
  "academy agency app art band bar bike blog books cafe camp chat church city click cloud club codes coffee community " +
  "company cool design dev digital download earth eco email energy events express family farm fashion film finance fit " +
  "foundation fun fund fyi games gallery garden gift global golf group guide guru health help home hotel house " +
  "immo industries institute international kitchen land law legal life link live living love ltd management market " +
  "marketing media money movie network news ngo ninja one online page partners party pet photo photography photos pics " +
  "pizza place plus pub radio recipes rent rentals report restaurant rocks run sale school services shop show site ski " +
  "social software solutions space sport store studio style support systems team tech technology tickets tips today " +
  "tools top tours town toys training tube university vet video vip voyage web website wedding wiki win wine work works " +
  "world wtf xyz yoga zone africa amsterdam asia bayern berlin brussels cat cologne hamburg ist istanbul koeln london " +
  "madrid nyc paris quebec rio ruhr saarland scot swiss sydney tirol tokyo wales wien google goog android amazon apple " +
  "рф укр бг срб мкд 中国 公司 网络 香港 भारत مصر السعودية امارات ישראל ไทย 한국";
const finder = new LinkifyIt().tlds(TOP_LEVELS.split(" "), true).add("//", null).add("ftp:", null);
// What is next to a link and would hide it: marks before and after it, and writing without spaces before it.
const BESIDE = /(?<=^|[\s("'])[*_~]+(?=\S)|(?<![*_~])[*_~]+(?=[.,;:!?)"']*(?:\s|$))|\P{ASCII}(?=https?:\/\/|www\.)/giu;

export interface Found {
  start: number;
  end: number;
  href: string;
}

export function linksIn(text: string): Found[] {
  const found = finder.match(text.replace(BESIDE, (beside) => " ".repeat(beside.length))) ?? [];
  return found.map(({ schema, index, lastIndex, text: shown, url }) => ({
    start: index,
    end: lastIndex,
    href: schema ? url : `https://${shown}`,
  }));
}
