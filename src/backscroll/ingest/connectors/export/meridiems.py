"""Words for the halves of the day in all languages of CLDR. Made by tools/make_meridiems.py.

Folded as ``header.fold_word`` does; words that mean both halves in different languages are left out.
"""

from __future__ import annotations

_MORNING = """
    1ka a adduha ag am amvormittag an ankstāinan antemidí ap atm banhaet bn braxkndaax comme damanhã de delamañana
    delmatin dinda dop dopoldne dopołdnja dopołedniŏ eparadites fh fm ft förmiddag fọmọ́nin gh goöň göň günortadanöň
    hengihengi hh hoseng i/m iarmade ib ibikɛ̂glà icheheavo idiɓa isuk iđitbeaivet iđitbeaivi kangama karoon ki kiroko
    kiɛmɛ́ɛm krn kíkíríg lb leebi lumalwak lwamilawu ma makeo mambia manhã maná mat matin mañana mbaʼámbaʼ mbaꞌmbaꞌ
    moies muhi munkyo nd ntufat ntɔ́ngɔ́ nụtụtụ od pagi/siang pamilau paradite pd pg pg/sg piopensuno priekšp
    priekšpusdiena priekšpusdienā priešpiet prijepodne prīškpušdīnē rn rw rũ sa saaku safiya sf sokallim soodo sub
    subaka subbaahi sárúwá taparachu tesiran tifawt to too uhrvörmiddaachs ulloqeqqatatungaa uluchelo utuko vaasisu vm
    vorm vormittag vörmeddaach wd wichishu yb zdatazal zmu àárɔ̀ àárọ̀ öö ĩyakwakya ŋdi ǁgoagas ɛnkakɛnyá ʊshilèkʊboɖu
    πμ ам апоўначы дп обедтэикеле преподне претпл пријеподне проб таңкы то тң эи үө ӕмбисбоныразмӕ פֿאַרמיטאָג اےایم
    بن تد ص صباحا صباحًا صبحمنجهند غم قبلازظهر قظ چب چۈشتىنبۇرۇن ܩܛ ߛ एएम तडके दुपहरब्रोंठ पूर्वाह्न फुं भोर भ्यागा
    येएम सकाळीं सबेरे सवेर सुबुहजा এএম নুমাং ਪੂਦੁ ଏଏମ ପୂର୍ବାହ୍ନ ఎఎమ్ පෙව ก่อนเที่ยง ກ່ອນທ່ຽງ སྔཆ སྔདྲོ နံနက် ማለዶ
    ቀደምሰርምዕል ቅቀ ጥዋት ጽባሕ ፋዱስጃብ ᏌᎾᎴ ᐁᒼ ᐊᒼ ᠦᠥ ᱥᱮᱛᱟᱜ ⵜⵉⴼⴰⵡⵜ 上午 午前 ꎸꄑ 오전 𐐰𐑋 𐑨𐑥 𞤢𞤰
"""
MORNING = frozenset(_MORNING.split())

_AFTERNOON = """
    2ja ak akasuba aluula amnamittag anw banringzgvaq baubaukndaax carra ch chilo cɛɛ́nko datarde delatarde desira
    dilolo du e/m ea eahketbeaivet eahketbeaivi eb ebongi ebyámu efiafi eftermade eftermiddag eh eigulo em ep
    epasdites ew fi fọívnin gd gm gosoň gsoň günortadansoň hawwaro hwaĩinĩ ichamthi in iɓugajɔp kikiiɗe kingoto
    kisɛ́ndɛ koosk kooskoliny kugú kyiukonyi lilli lk lumalwap makaaripi mchochill md mo mog mpókwa muu nabali nabalị
    nam namittag ncwònzém ngo ngəgógəle nm nommendaach nomëttes ntmeddit nyiaghuo odp ot p pamunyi papussideinan
    pasdite pashamihe piecpušdīnē pipinisuno pm pn pop popiet popodne popoldne popołdnju popołedniu posmidí ptg ptm
    pēcp pēcpusd pēcpusdiena pēcpusdienā sanje shwane sn soir soré/malem sr/mlm tadggwat tarde teipa thapama tk tŋ
    uhrnommendaachs uk ulloqeqqatakingorna wb wengi wótp wótpołdnja yamma yh ym zaarikayb zmw ös ĩyawĩoo ŋkambɔ́tnji
    ũg ǃuias ɔ̀sán ɛndámâ ɣetrɔ ʊshilèkʊsasʊ μμ апоўдні обедтэмейле пм попл поподне послијеподне пп слоб тк
    түштөнкийинки эк үх ӕмбисбоныфӕстӕ נאָכמיטאָג بظ بعدازظهر تك دن شاممنجهند غو م مساء مساءً منجهندشام پیایم چك
    چۈشتىنكېيىن ܒܛ ߥ अपराह्न दपेहरा/संजा दपैहरबाद दुपहरपतॖ पीएम बेलासे शामजा सञ सांजे सांझ सांम পিএম ਬਾਦੁ ଅପରାହ୍ନ ପିଏମ
    పిఎమ్ පව หลังเที่ยง ຫຼັງທ່ຽງ ཕྱིཆ ཕྱིདྲོ ညနေ ሓቆስርምዕል ምሴት ቃማ ከሰዓት ድቀ ፋዱስደምቢ ᏒᎯᏱᎢ ᏒᎯᏱᎢᏗᏢ ᐲᒼ ᠦᠬᠣ ᱧᱤᱫᱟᱹ ḍeffiraza
    ọ̀sán ⵜⴰⴷⴳⴳⵡⴰⵜ 下午 午後 ꁯꋒ 오후 𐐹𐑋 𐑐𐑥 𞤩𞤰
"""
AFTERNOON = frozenset(_AFTERNOON.split())
