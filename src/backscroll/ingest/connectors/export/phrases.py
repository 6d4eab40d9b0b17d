"""WhatsApp's words for what is no text: files, deleted and edited messages, places. In the languages known here."""

from __future__ import annotations

import re

from backscroll.core.model import Kind
from backscroll.ingest.connectors.export.wording import phrase_set, unmark

MEDIA_OMITTED = phrase_set(
    """
    Media omitted|Media weggelaat|تم استبعاد الوسائط|Media çıxarılmışdır|Без файл|Мултимедията е пропусната
    মিডিয়া বাদ দেওয়া হয়েছে|Mitjans omesos|Contingut multimèdia omès|Média vynechána|Média vynechány|Mediefil udeladt
    Medier udeladt|Media udeladt|Medien ausgeschlossen|Medien weggelassen|Εξαίρεση πολυμέσων|Παραλείφθηκαν πολυμέσα
    Multimedia omitido|Archivo omitido|Medios omitidos|Meedia ära jäetud|پیوست نما/آهنگ حذف شد|رسانه حذف شد
    Media jätetty pois|Media jätettiin pois|Walang kalakip na media|Inalis ang media|Médias omis|Fichier omis
    મીડિયા અવગણાયું|המדיה לא נכללה|מדיה הושמטה|המדיה הוסרה|मीडिया के बिना|मीडिया छोड़ा गया|Medijski zapis izostavljen
    Mediji izostavljeni|Hiányzó médiafájl|Médiafájl kihagyva|Media tidak disertakan|Media omessi|Media omesso
    Media non inclusi|メディアは含まれていません|メディアなし|Файл қосылған жоқ|ಮೀಡಿಯಾ ಕೈಬಿಡಲಾಗಿದೆ
    미디어 파일을 생략한 대화내용|미디어 파일 제외됨|사진 및 동영상 생략됨|Praleistas medijos turinys|Bez multivides
    Без фајл|മീഡിയ ഒഴിവാക്കി|मीडिया वगळले|Media disingkirkan|Media dikecualikan|Uten vedlegg|Media er utelatt
    Media utelatt|Media weggelaten|ਮੀਡੀਆ ਛੱਡਿਆ ਗਿਆ|pominięto multimedia|pliki pominięto|Pominięto media|Mídia oculta
    Mídia omitida|Arquivo de mídia oculto|Ficheiro não revelado|Ficheiro multimédia omitido|Conținut media omis
    Fișiere media omise|Без медиафайлов|Файл пропущен|Медиафайл отсутствует|Медиа отсутствует|Médiá vynechané
    Medij izpuščen|Pa media|медији су изостављени|Media har utelämnats|Media utelämnades|Media utesluten|Media imerukwa
    ஊடகங்கள் நீக்கப்பட்டது|కోప్పు విస్మరించబడింది|మాధ్యమం విస్మరించబడింది|ไม่รวมไฟล์สื่อ|ไม่รวมสื่อ|ไฟล์สื่อถูกลบ
    สื่อถูกลบ|Medya dahil edilmedi|Medya atlanmış|Без медіафайлів|Медіа пропущено|Медіафайли відсутні
    میڈیا چھوڑ دیا گیا|Fayl o'tkazib yuborildi|Bỏ qua Media|Bỏ qua tệp phương tiện|忽略多媒體檔|省略多媒體檔
    省略多媒体文件|媒体文件已省略|Video note omitted
    """
)

_OMITTED_BY_KIND: dict[Kind, str] = {
    "image": """
    image omitted|התמונה הושמטה|изображение отсутствует|image absente|immagine omessa|imagem não revelada
    imagem ocultada|imagem omitida|imagen omitida|εικόνα παραλείφθηκε|зображення відсутнє|Bild weggelassen
    لم يتم إدراج الصورة|ইমেজ বাদ দেওয়া হয়েছে|圖片已略去|圖像已省略|照片已忽略|图像已忽略|đã bỏ qua hình ảnh
    تصویر نکال دی گئی ہے|görüntü dahil edilmedi|ไม่มีรูปภาพ|bild utesluten|bild utelämnad|obrázok vynechaný
    obraz pominięty|Imagine omisă|afbeelding weggelaten|bilde ikke inkludert|imej tidak dimasukkan|इमेज वगळली
    이미지 생략됨|画像は含まれていません|画像が省略されました|kép kihagyva|gambar tidak disertakan|slika izostavljena
    फ़ोटो हटाई गई|છબી પડતી મૂકાઈ|íomhá ligthe ar lár|ei kuvaa|تصویر حذف شد|billede udeladt|obrázek vynechán
    Imatge omesa
    """,
    "video": """
    video omitted|סרטון הווידאו הושמט|видео отсутствует|vidéo absente|video omesso|vídeo não revelado|Video omitido
    vídeo omitido|βίντεο παραλείφθηκε|відео відсутнє|Video weggelassen|لم يتم إدراج الفيديوهات|ভিডিও বাদ দেওয়া হয়েছে
    影片已略去|影片已省略|视频已忽略|đã bỏ video|đã bỏ qua video|ویڈیو نظرانداز|video dahil edilmedi|วิดีโอถูกลบ
    video utesluten|video utelämnad|video vynechané|wideo pominięte|clip video omis|video weggelaten|video utelatt
    video tidak dimasukkan|व्हिडीओ वगळला|비디오 생략됨|동영상 생략됨|ビデオは含まれていません|動画は含まれていません
    videó kihagyva|video tidak disertakan|video izostavljen|वीडियो छोड़ा गया|વિડિયો પડતી મુકાઈ|físeán ligthe ar lár
    videota ei sisällytetä|ویدیو حذف شد|video udeladt|video vynecháno|vídeo omès
    """,
    "video_note": """
    video note omitted|video message omitted|Videonachricht weggelassen|nota de video omitida
    """,
    "audio": """
    audio omitted|קטע קול הושמט|аудиофайл отсутствует|аудио отсутствует|audio omis|audio omesso
    ficheiro de áudio não revelado|áudio ocultado|áudio omitido|audio omitido|ήχος παραλείφθηκε|аудіо відсутнє
    Audio weggelassen|لم يتم إدراج المقاطع الصوتية|অডিও বাদ দেওয়া হয়েছে|音訊已略去|音訊已省略|音频已忽略
    bỏ qua tệp âm thanh|آڈیو نظرانداز|ses dahil edilmedi|ไม่มีไฟล์เสียง|ljud utelslutet|ljud utelämnat|zvuk vynechaný
    audio pominięte|fără audio|audio weggelaten|lyd utelatt|audio tidak dimasukkan|ऑडिओ वगळला|오디오 생략됨
    音声は含まれていません|hang kihagyása|audio tidak disertakan|zvuk izostavljen|ऑडियो हटाई गयी|ऑडियो छोड़ा गया
    ઓડિયો ફાઇલ શામેલ કરી નથી|comhad fuaime ar lár|äänitiedostoa ei sisällytetä|صدا حذف شد|lyd udeladt
    zvukový soubor vynechán|Àudio omès
    """,
    "sticker": """
    sticker omitted|סטיקר הושמט|стикер не добавлен|стикер отсутствует|sticker omis|sticker non incluso
    sticker não revelado|figurinha omitida|sticker omitido|αυτοκόλλητο παραλήφθηκε|Наклейку не додано
    Sticker weggelassen|تم حذف الملصقات|স্টিকার বাদ দেওয়া হয়েছে|貼圖已略去|貼圖已忽略|贴图已省略|đã bỏ sticker
    đã bỏ qua sticker|اسٹیکر نظرانداز|Çıkartma dahil edilmedi|ไม่มีสติกเกอร์|sticker utesluten|nálepka vynechaná
    pominięto naklejkę|naklejka pominięta|sticker weggelaten|klistremerke utelatt|pelekat tidak disertakan|स्टिकर वगळले
    스티커 제외됨|스티커 생략됨|スタンプは含まれていません|ステッカーは含まれていません|matrica kihagyva
    stiker tidak disertakan|naljepnica izostavljena|स्टिकर छोड़ा गया|સ્ટીકર પડતું મુકાયું|fágadh an greamán ar lár
    tarra ei sisällytetty|استیکر حذف شد|klistermærke udeladt|nálepka vynechána|adhesiu omès
    """,
    "document": """
    document omitted|מסמך הושמט|документ отсутствует|document manquant|documento omesso|documento não revelado
    documento omitido|documento ocultado|έγγραφο παραλείφθηκε|документ пропущено|Dokument weggelassen
    لم يتم إدراج المستند|ডকুমেন্ট বাদ দেওয়া হয়েছে|文件已略去|文件已忽略|文档已省略|đã bỏ qua tài liệu
    دستاویز نظرانداز|belge dahil edilmedi|ละเว้นเอกสาร|dokument uteslutet|dokument vynechaný|dokument pominięty
    document omis|document weggelaten|utelatt dokument|dokumen tidak dimasukkan|डॉक्युमेंट वगळले|문서 생략됨
    ドキュメントは含まれていません|dokumentum kihagyva|dokumen tidak disertakan|dokument izostavljen
    डॉक्यूमेंट छोड़ा गया|ડોક્યુમેન્ટ સામેલ કર્યું નહિ|cáipéis ligthe ar lár|dokumenttia ei sisällytetä|سند حذف شد
    dokument udeladt|dokument vynechán|Document omès
    """,
    "contact": """
    Contact card omitted|כרטיס איש קשר הושמט|Карточка контакта отсутствует|Fiche contact manquante
    Scheda contatto omessa|Contacto não revelado|Tarjeta de contacto omitida|Η κάρτα επαφής παραλήφθηκε
    Картка контакту відсутня|Kontaktkarte ausgelassen|Kontaktkarte weggelassen|لم يتم إدراج بطاقة جهة اتصال
    পরিচিতির কার্ড বাদ দেওয়া হয়েছে|聯絡人卡片已略去|聯絡人卡片已省略|联系人卡片已忽略|Bỏ qua thẻ liên lạc
    رابطہ کارڈ نظر انداز|Kişi kartı dahil edilmedi|บัตรรายชื่อที่ละเว้น|Kontaktkort uteslutet|Karta kontaktu vynechaná
    Pominięta wizytówka kontaktu|Carte de vizită contact omisă|Cartão do contato omitido|Visitekaartje weggelaten
    Kontaktkort sløyfet|Kad kenalan tidak dimasukkan|संपर्क कार्ड वगळले|연락처 카드 생략됨|連絡先カードを省略
    Névjegykártya kihagyva|Kartu kontak tidak disertakan|Posjetnica izostavljena|कॉन्टैक्ट कार्ड छोड़ा गया
    સંપર્કનું કાર્ડ પડતું મૂકાયું|Cárta teagmhála ar lár|Yhteystietokortti jätettiin pois|برگ مخاطب حذف شد
    Kontaktkort udeladt|Vizitka vynechána|Targeta de contacte omesa
    """,
}
VIEW_ONCE = phrase_set(
    """
    View once message omitted|View once voice message omitted|View once photo omitted|View once video omitted
    View once image omitted|File not revealed
    """
)
"""Also without brackets around it."""
GIF_OMITTED = phrase_set(
    """
    GIF omitted|GIF הושמט|GIF отсутствует|GIF retiré|GIF esclusa|GIF não revelada|GIF omitido|Παράληψη GIF
    GIF-анімацію пропущено|GIF weggelassen|لم يتم إدراج صورة GIF|জিআইএফ বাদ দেওয়া হয়েছে|GIF 已略去|GIF 圖片已被省略
    GIF 动态图已被忽略|Đã bỏ qua ảnh GIF|GIF نظرانداز|GIF dahil edilmedi|ละเว้น GIF|GIF utesluten|GIF vynechaný
    Plik GIF pominięty|GIF omis|GIF weggelaten|GIF utelatt|GIF tidak dimasukkan|GIF वगळले|GIF 생략됨
    GIFは含まれていません|GIF fájl kihagyása|GIF tidak disertakan|GIF izostavljen|GIF छोड़ा गया|GIF પડતી મૂકાઈ
    GIF ligthe ar lár|GIF-animaatio jätetty pois|GIF حذف شد|GIF udeladt|GIF vynechán|GIF omès
    """
)
OMITTED: dict[str, Kind] = {phrase: kind for kind, text in _OMITTED_BY_KIND.items() for phrase in phrase_set(text)}
"""iOS names the kind of what it left out; ``MEDIA_OMITTED`` of Android does not."""

FILE_ATTACHED = phrase_set(
    """
    file attached|fișier atașat|ఫైల్ జోడించబడినది|файл добавлен|nakalakip na file|附件檔案|檔案已附加|file allegato
    arxiu adjunt|soubor byl přiložen|文件附件|file terlampir|添付ファイル有り|ファイル添付|συνημμένο αρχείο
    pievienots fails|fil vedhæftet|फाइल संलग्न|қосымша файл|ફાઇલ જોડાયેલ|קובץ מצורף|fail dilampirkan|arquivo anexado
    फाइल अटैच कर दी गई है|fayl biriktirildi|załączony plik|plik załączony|tệp đính kèm|skedë e ngjitur|bifogad fil
    priložena datoteka|súbor pripojený|پیوستہ فائل|faili limeambatanishwa|dosya ekli|இணைக்கப்பட்டது|ไฟล์ที่แนบ|پیوست شد
    byla prisegta|vedlagt fil|liitetiedosto|fichier joint|archivo adjunto|archivo adjuntado|fail lisatud
    datoteka u privitku|fájl csatolva|bestand bijgevoegd|прикачен файл|ফাইল সংযুক্ত হয়েছে|lêer aangeheg
    Datei angehängt|fayl əlavə olunub|파일 첨부됨|ഫയൽ ചേർത്തു|прикачен фајл|ಕಡತ ಸೇರಿಸಲಾಯಿತು|الملف مرفق|ficheiro anexado
    файл додано|прикачена датотека|ਅਟੈਚ ਕੀਤੀ ਫਾਇਲ
    """
)
"""Android, in brackets behind the name of the file."""

ATTACHED = phrase_set(
    """
    attached|atașare|anexado|anexo|bijgevoegd|vedlagt|dilampir|संलग्न केले|첨부됨|添付ファイル|csatolva|terlampir
    priloženo|अटैच किया गया|જોડાયેલ|ceangailte|liite|پیوست|vedhæftet|příloha|adjunt|adjunto|แนบ|מצורף|Anhang|angehängt
    прикреплено|вложено|επισυνάφθηκε|додано|پیوستہ|eklendi|bifogat|bifogad|pièce jointe|allegato|załączono|pripojené
    附件|附加檔案|مرفق|المرفقات|đính kèm|সংযুক্ত
    """
)
"""iOS, before the name of the file in angle brackets."""

DELETED = phrase_set(
    """
    This message was deleted|הודעה זו נמחקה|Данное сообщение удалено|Ce message a été supprimé
    Dette melding ble slettet|Questo messaggio è stato eliminato|Esta mensagem foi apagada|Essa mensagem foi apagada
    Mensagem apagada|Se eliminó este mensaje|Este mensaje fue eliminado|Αυτό το μήνυμα διαγράφηκε
    Це повідомлення було видалено|Diese Nachricht wurde gelöscht|تم حذف هذه الرسالة|এই মেসেজটি বাদ দেওয়া হয়েছে
    এই বার্তাটি মুছে ফেলা হয়েছে|此訊息已刪除|这条消息已被删除|此消息已删除|信息已删除|Tin nhắn này đã bị xóa
    Tin nhắn này đã bị xoá|Tin nhắn này đã bị thu hồi|یہ میسج حذف کر دیا گیا ہے|Bu mesaj silindi|ข้อความนี้ถูกลบแล้ว
    ข้อความนี้ถูกลบ|ข้อความนี้ได้ถูกลบ|Det här meddelandet raderades|Detta meddelande raderades
    Táto správa bola odstránená|Ta wiadomość została usunięta|Acest mesaj a fost șters|Dit bericht is verwijderd
    Denne meldingen ble slettet|Mesej ini telah dipadam|हा मेसेज हटवण्यात आला|이 메시지는 삭제되었습니다
    삭제된 메시지입니다|삭제한 메시지입니다|このメッセージは削除されました|Ez az üzenet törlésre került
    Pesan ini dihapus|Pesan ini telah dihapus|Ova je poruka izbrisana|Ova poruka je izbrisana
    यह मैसेज डिलीट कर दिया गया है|यह मैसेज डिलीट किया गया|यह संदेश मिटाया गया|આ મેસેજ ડિલીટ કરાયો
    Scriosadh an teachtaireacht seo|Tämä viesti poistettiin|این پیام حذف شده است|این پیام حذف شد
    Denne besked er blevet slettet|Denne besked blev slettet|Tato zpráva byla smazána|Tato zpráva byla odstraněna
    Aquest missatge s'ha suprimit|Aquest missatge està esborrat|Itong mensahe ay binura na|Šī ziņa tika izdzēsta
    Бұл хат жойылды|Ushbu xabar o'chirildi|To sporočilo je bilo izbrisano|Ujumbe huu ulifutwa
    இத்தகவல் திரும்பப்பெறப்பட்டது|Ši žinutė buvo ištrinta|See sõnum on kustutatud|Съобщението беше изтрито
    Това съобщение беше изтрито|Hierdie boodskap was uitgevee|Bu ismarıc silindi|ഈ സന്ദേശം ഇല്ലാതാക്കിയതാണ്
    Оваа порака беше избришана|ಈ ಸಂದೇಶವು ಅಳಿಸಲ್ಪಟ್ಟಿದೆ|Ова порука је обрисана|This message was deleted by an admin
    This message was deleted by admin
    """
)
YOU_DELETED = phrase_set(
    """
    You deleted this message|You deleted this message as admin|מחקת את ההודעה הזו|מחקת הודעה זו
    Вы удалили это сообщение|Вы удалили данное сообщение|Vous avez supprimé ce message|Hai eliminato questo messaggio
    Apagou esta mensagem|Você apagou esta mensagem|Você apagou essa mensagem|Eliminaste este mensaje
    Διαγράψατε αυτό το μήνυμα|Διαγράψατε το μήνυμα|Ви видалили це повідомлення|Du hast diese Nachricht gelöscht
    لقد حذَفت هذه الرسالة|لقد حذفت هذه الرسالة|أنت حذفت هذه الرسالة|আপনি এই মেসেজটি বাদ দিয়েছেন|您已刪除此訊息
    您已删除这条消息|你已删除此消息|Bạn đã xóa tin nhắn này|Bạn đã xoá tin nhắn này|Bạn đã thu hồi tin nhắn này
    آپ نے یہ میسج حذف کر دیا ہے|Bu mesajı sildiniz|คุณได้ลบข้อความนี้|คุณลบข้อความนี้|Du har tagit bort meddelandet
    Du raderade det här meddelandet|Du raderade detta meddelande|Túto správu ste odstránili
    Usunąłeś(-ęłaś) tę wiadomość|Usunąłeś(aś) tę wiadomość|Usunięto tę wiadomość|Ați șters acest mesaj
    U hebt dit bericht verwijderd|Je hebt dit bericht verwijderd|Du slettet denne meldingen
    Anda telah memadamkan mesej ini|तुम्ही हा मेसेज हटवला|이 메시지를 삭제했습니다|このメッセージを削除しました
    Ezt az üzenetet törölted|Törölted ezt az üzenetet|Anda menghapus pesan ini|Anda telah menghapus pesan ini
    Izbrisali ste ovu poruku|आपने यह मैसेज डिलीट किया|आपने यह संदेश मिटाया|તમે આ મેસેજ ડિલીટ કર્યો
    Scrios tú an teachtaireacht seo|Poistit tämän viestin|شما این پیام را حذف کردید|Du har slettet denne besked
    Du slettede denne besked|Tuto zprávu jste smazal/a|Tuto zprávu jste odstranil/a|Has suprimit aquest missatge
    Has esborrat aquest missatge|Binura mo itong mensahe|Jūs izdzēsāt šo ziņu|Сіз бұл хатты жойдыңыз
    Siz ushbu xabarni o'chirdingiz|To sporočilo ste izbrisali|Umefuta ujumbe huu|இத்தகவலை தாங்கள் அழித்தீர்கள்
    Jūs ištrynėte šią žinutę|Kustutasid selle sõnumi|Изтрихте това съобщение|Jy het boodskap uitgevee
    Siz bu ismarıcı sildiniz|ഈ സന്ദേശം നിങ്ങൾ ഇല്ലാതാക്കി|Ја избриша оваа порака
    """
)
"""Only the phone's owner sees these, so the author of such a line is the owner."""

EDITED = phrase_set(
    """
    This message was edited|Diese Nachricht wurde bearbeitet|Se editó este mensaje|Mensaje editado
    Editaste este mensaje|Ce message a été modifié|Message modifié|Mensagem editada|Esta mensagem foi editada
    Essa mensagem foi editada|Questo messaggio è stato modificato|Messaggio modificato|Dit bericht is bewerkt
    Dit bericht werd bewerkt|Сообщение изменено|Данное сообщение изменено|Это сообщение было изменено
    Повідомлення змінено|Це повідомлення було змінено|Bu mesaj düzenlendi|Pesan ini diedit|Pesan ini telah diedit
    Mesej ini telah diedit|Ta wiadomość została edytowana|Wiadomość edytowana|Tato zpráva byla upravena
    Táto správa bola upravená|Det här meddelandet redigerades|Meddelandet har redigerats|Denne besked blev redigeret
    Denne meldingen ble redigert|Tätä viestiä muokattiin|Viestiä muokattiin|Ez az üzenet szerkesztve lett
    Acest mesaj a fost editat|Αυτό το μήνυμα υποβλήθηκε σε επεξεργασία|Това съобщение беше редактирано
    Ova je poruka uređena|Ова порука је измењена|تم تعديل هذه الرسالة|הודעה זו נערכה|این پیام ویرایش شد
    این پیام ویرایش شده است|यह मैसेज एडिट किया गया|यह मैसेज एडिट किया गया था|এই মেসেজটি এডিট করা হয়েছে|此訊息已編輯
    此訊息已被編輯|此消息已编辑|这条消息已编辑|このメッセージは編集されました|이 메시지는 수정되었습니다
    메시지가 수정되었습니다|Tin nhắn này đã được chỉnh sửa|ข้อความนี้ถูกแก้ไข|ข้อความนี้ถูกแก้ไขแล้ว
    Aquest missatge s'ha editat|یہ میسج ایڈٹ کیا گیا
    """
)

LOCATION = phrase_set(
    """
    location|locație|స్థలం|местоположение|геопозиция|lokasyon|位置|posizione|ubicació|poloha|位置情報|τοποθεσία
    atrašanās vieta|placering|स्थान|लोकेशन|орналасуы|સ્થળ|מיקום|lokasi|localização|joylashuv|położenie|lokalizacja
    vị trí|vendndodhja|plats|lokacija|مقام|mahali|konum|இருப்பிடம்|ตำแหน่งที่ตั้ง|ตำแหน่ง|موقعیت|buvimo vieta|posisjon
    sijainti|localisation|position|ubicación|asukoht|helyzet|hely|locatie|অবস্থান|লোকেশন|ligging|Standort|məkan|위치
    സ്ഥലം|локација|ಸ್ಥಳ|الموقع|місцезнаходження|розташування|ਟਿਕਾਣਾ
    """
)
LIVE_LOCATION = phrase_set(
    """
    live location shared|locație în timp real distribuită|Геоданные отправлены|實時位置已分享
    posizione attuale condivisa|posizione in tempo reale condivisa|Ubicació en directe compartida
    byla sdílena aktuální poloha|共享实时位置|Lokasi terkini dibagikan|ライブロケーション共有
    η τωρινή τοποθεσία κοινοποιήθηκε|live placering delt|מיקום בזמן אמת שותף|lokasi terkini dikongsi
    localização atual compartilhada|localização em tempo real compartilhada|लाइव स्थान साझा किया गया
    udostępniona transmisja położenia|vị trí hiện thời được chia sẻ|liveposition delad|bola zdieľaná aktuálna poloha
    Mevcut konum paylaşıldı|Canlı konum paylaşıldı|posisjon i sanntid delt|live-sijainti jaettu
    Localisation en direct partagée|ubicación en tiempo real compartida|trenutna lokacija podijeljena
    tartózkodási hely megosztva|live locatie gedeeld|Live-Standort wird geteilt|공유한 실시간 위치
    تمت مشاركة الموقع المباشر|геодані надіслано|ตำแหน่งปัจจุบันถูกแบ่งปัน|مکان زنده به اشتراک گذاشته شد
    """
)

WAITING = phrase_set(
    """
    Waiting for this message. This may take a while|Waiting for this message
    Auf diese Nachricht warten. Dies kann etwas dauern|Esperando el mensaje. Esto puede tomar tiempo
    En attente de ce message. Cela peut prendre un certain temps
    Aguardando mensagem. Essa ação pode levar alguns instantes
    In attesa del messaggio. Potrebbe volerci un po' di tempo
    """
)
"""Stands for what the exporting phone could not decrypt."""

YOU = phrase_set("you|du|tú|vous|você|jij|вы|siz|anda|คุณ|あなた|您|你|أنت|אתה|आप")
"""How a phone may name its owner."""

_DELETED_BY_ADMIN = re.compile(
    r"(?:this message was deleted by (?:group )?admin (.{1,100})"
    r"|diese nachricht wurde (?:vom|von) admin (.{1,100}) gelöscht"
    r"|(?:el|la) admin\.? (.{1,100}) eliminó este mensaje"
    r"|l['’]admin (.{1,100}) a supprimé ce message|ce message a été supprimé par l['’]admin (.{1,100})"
    r"|mensagem apagada pelo admin (.{1,100})|(?:esta|essa) mensagem foi apagada pelo admin (.{1,100})"
    r"|questo messaggio è stato eliminato dall['’]amministratore (.{1,100})"
    r"|dit bericht is verwijderd door (?:beheerder|admin) (.{1,100})"
    r"|(?:bu mesaj )?(.{1,100}?) (?:adlı )?(?:admin|yönetici)i? tarafından silindi"
    r"|(?:данное )?сообщение удалено админ(?:истратор)?ом (.{1,100})"
    r"|pesan ini telah dihapus oleh admin (.{1,100}))",
    re.IGNORECASE,
)


_ADMIN = ("admin", "amministratore", "beheerder", "yönetici", "админ")


def deleting_admin(text: str) -> str | None:
    """The admin whom a line names as the one who deleted the message; None where the line says no such thing."""
    folded = text.casefold()
    if not any(word in folded for word in _ADMIN):
        return None
    plain = unmark(text).replace("\u00a0", " ").replace("\u202f", " ").strip()
    match = _DELETED_BY_ADMIN.fullmatch(plain.rstrip(".。। "))
    return next(name for name in match.groups() if name).strip() if match else None
