"""The kind of a notice, told by WhatsApp's words in the languages known here."""

from __future__ import annotations

import re

from backscroll.ingest.connectors.export.wording import fold

# WhatsApp's words for each kind of notice; the first that is found names it. Most frequent first.
_NOTICES: dict[str, str] = {
    "e2e": r"""
    end-to-end|ende-zu-ende|extremo a extremo|bout en bout|ponta a ponta|ponto a ponto|сквозн|наскрізн|uçtan uca|端到端
    端對端|エンドツーエンド|종단간|مشفرة تمام|מקצה.לקצה|w pełni zaszyfrowane|koncovým šifrováním
    šifrovaním počas celého|hujung ke hujung|ende-til-ende|komplett kryptera|salataan täysin|végpontok közötti
    criptate integral|από άκρο|κρυπτογραφούνται|mã hóa đầu cuối|mã hoá đầu|ต้นทางถึงปลายทาง|एंड-टू-एंड|এন্ড-টু-এন্ড
    سرتاسر رمزگذاری|шифриране|край до край|potpunom enkripcijom|d'extrem a extrem
    """,
    "security_code": r"""
    security code|sicherheitsnummer|código de seguridad|code de sécurité|código de segurança|codice di sicurezza
    beveiligingscode|код безопасности|код безпеки|güvenlik kodu|kod zabezpieczeń|bezpečnostní kód|安全代码|安全碼
    セキュリティコード|보안 코드|رمز أمان|קוד האבטחה|kode keamanan|säkerhetskod|सुरक्षा कोड
    """,
    "change_number": r"""
    changed their phone number|changed to a new number|changed to \+?\d|hat (?:eine neue|die) (?:telefon)?nummer
    cambió (?:su|de) número|a changé de numéro|mudou (?:de|seu|o) número|ha cambiato numero|сменил\S* номер
    heeft een nieuw (?:telefoon)?nummer|numarasını değiştirdi|zmienił\S* numer|changed (?:his|her) phone number
    """,
    "create": r"""
    \bcreated (?:this |the )?(?:group|community)|hat (?:die |diese )?gruppe .*erstellt
    hast (?:die |diese )?gruppe .*erstellt|cre(?:ó|aste) (?:el|este) grupo|a créé le groupe|avez créé (?:le|ce) groupe
    criou (?:o |este )?grupo|ha creato il gruppo|hai creato (?:il|questo) gruppo|(?:heeft|hebt) (?:de )?groep .*gemaakt
    создал\S* групп|створи\S* груп|grubu? ?oluştur|grubunu oluştur|utworzył\S* grup|创建了群|建立了群|建立了這個群
    グループを作成|그룹을 만들|أنشأ|יצר|membuat grup|skapade gruppen|oprettede gruppen|opprettet gruppen|loi ryhmän
    vytvořil\S* skupinu|tạo nhóm|สร้างกลุ่ม|ग्रुप बनाया
    """,
    "invite": r"""
    joined (?:using|via) (?:this group's |a |an |the )?(?:invite|link)
    über (?:den|einen) (?:einladungs)?link .*beigetreten|mediante el enlace|via le lien|à l'aide du lien
    usando (?:o|um) link|entrou usando|tramite (?:il )?link|via de (?:uitnodigings)?link|по ссылке|за посиланням
    bağlantısını? kullanarak|通过.*邀请链接|透過.*邀請連結|招待リンク
    """,
    "add": r"""
    \b(?:was |were )?added\b|\bhinzugefügt\b|\baña?di[óo]\b|\bañadi|\bagreg(?:ó|aste)|a ajouté|avez ajouté|a été ajouté
    adicion(?:ou|ado)|ha aggiunto|hai aggiunto|è stat[oa] aggiunt|toegevoegd|добавил|додав|(?:kişisini )?ekledi|eklendi
    dodał|添加了|新增了|已加入|を追加|추가했|님을 초대|أضاف|הוסיף|הוסיפה|menambahkan|lade till|har lagt til|tilføjede
    lisäsi|přidal|đã thêm|ได้เพิ่ม|जोड़ा|joined from the community|\bjoined\b|se unió|ist beigetreten
    """,
    "remove": r"""
    \bremoved\b|\bentfernt\b|eliminó a|eliminaste a|a retiré|a été retiré|removeu|foi removid|ha rimosso
    è stat[oa] rimoss|verwijderd\b|удалил|видали|kişisini çıkardı|çıkarıldı|usunął|usunęła|移除了|を退会させ|を削除し
    내보냈|أزال|הסיר|mengeluarkan|tog bort|fjernede|fjernet|poisti|odebral|đã xóa|हटाया
    """,
    "leave": r"""
    \bleft\b|hat die gruppe verlassen|hast die gruppe verlassen|salió del grupo|saliste del grupo|\bsalió\b|a quitté
    avez quitté|\bsaiu\b|ha abbandonato|hai abbandonato|heeft de groep verlaten|\bvertrok\b|вышел|вышла|покину|вийш
    gruptan ayrıldı|\bayrıldı|opuścił|退出了|離開了|が退出|나갔|غادر|יצא|עזב|keluar|lämnade|forlod|forlot
    poistui ryhmästä|opustil|rời nhóm|ออกจากกลุ่ม|निकल
    """,
    "subject": r"""
    changed the (?:subject|group name)|betreff .*geändert|gruppennamen? .*geändert
    cambi(?:ó|aste) (?:el asunto|el nombre)|a (?:changé|modifié) le (?:sujet|nom)|mudou o (?:assunto|nome)
    alterou o (?:assunto|nome)|ha cambiato (?:l'oggetto|il nome)|onderwerp .*gewijzigd|изменил\S* (?:тему|название)
    konuyu .*değiştir|konusunu .*değiştir|zmienił\S* (?:temat|nazwę)|更改了主题|更改了主旨|件名を|제목을|غيّر الموضوع
    שינה את נושא|mengubah (?:subjek|nama)|ändrade ämnet
    """,
    "picture": r"""
    (?:changed|deleted) (?:this |the )?group'?s? (?:'s )?(?:icon|photo|picture)|changed this group's icon|gruppenbild
    (?:el ícono|el icono|la imagen|la foto) (?:del|de este) grupo|(?:l'icône|l'image|la photo) (?:du|de ce) groupe
    (?:a imagem|a foto|o ícone) d[oe]ste? grupo|imagem do grupo|(?:l'icona|l'immagine) (?:del|di questo) gruppo
    groepsafbeelding|groepspictogram|(?:фото|иконку|значок|картинку) групп|grubun (?:simgesini|resmini)|ikonę
    ikonu skupiny|群組圖示|群组图标|グループのアイコン|그룹 (?:아이콘|사진)
    """,
    "desc": r"""
    group description|gruppenbeschreibung|descripción del grupo|description du groupe|descrição do grupo
    descrizione del gruppo|groepsomschrijving|groepsbeschrijving|описание групп|опис груп|grup açıklamasını|opis grupy
    群组描述|群組描述|グループの説明
    """,
    "ephemeral": r"""
    disappearing messages|message timer|selbstlöschende nachrichten|mensajes temporales|messages éphémères
    mensagens temporárias|messaggi effimeri|zelfverwijderende berichten|исчезающие сообщения|kaybolan mesajlar
    znikające wiadomości|限时消息|限時訊息|消えるメッセージ
    """,
    "promote": r"""
    now an admin|ist jetzt (?:ein )?admin|bist jetzt (?:ein )?admin|ahora (?:es|eres) admin
    agora (?:é|você é) (?:um )?admin
    """,
    "demote": r"""
    no longer an admin|kein admin mehr|ya no (?:es|eres) admin|não é mais admin
    """,
    "restrict": r"""
    edit this group's|group's settings|gruppeninfo|gruppeneinstellungen|ajustes de(?:l| este) grupo
    """,
    "business": r"""
    business account|official business|this business (?:uses|is now|chose)|secure service from|unternehmenskonto
    unternehmensaccount|dieses unternehmen|cuenta de empresa|esta empresa|conta comercial|cette entreprise
    questa azienda|dit bedrijf|эта компания|компания использует|bu işletme|ta firma|此商家|此企業|このビジネス
    """,
    "pin": r"""
    \bpinned a message|nachricht angeheftet|fij(?:ó|aste) un mensaje|fixou uma mensagem
    """,
    "block": r"""
    \bblocked this contact|\bunblocked this contact|kontakt blockiert|bloqueaste (?:a )?este contacto
    """,
    "contact": r"""
    is a contact|ist ein kontakt|es un contacto|est un contact|é um contato|è un contatto
    """,
}
_NOTICE_PATTERNS = {
    kind: re.compile("|".join(line.strip() for line in text.strip().splitlines())) for kind, text in _NOTICES.items()
}
MAX_NOTICE = 1000


def notice_type(text: str) -> str | None:
    """The kind of a system line, where its wording is known."""
    found = _notice(text)
    return found[0] if found else None


def notice_start(text: str) -> int | None:
    """Where the known wording of a notice begins in the folded ``text``; None where there is none."""
    found = _notice(text)
    return found[1] if found else None


def _notice(text: str) -> tuple[str, int] | None:
    folded = fold(text[:MAX_NOTICE])
    for kind, pattern in _NOTICE_PATTERNS.items():
        if match := pattern.search(folded):
            return kind, match.start()
    return None
