"""WhatsApp's words for calls, in the languages known here."""

from __future__ import annotations

from backscroll.ingest.connectors.export.wording import phrase_set

MISSED_VOICE_CALL = phrase_set(
    """
    Missed voice call|Missed group voice call|Missed group call|Missed call|שיחה קולית שלא נענתה
    Пропущенный аудиозвонок|Appel vocal manqué|Chiamata vocale persa|Chamada de voz perdida|Llamada perdida
    Llamada de voz perdida|Αναπάντητη φωνητική κλήση|Αναπάντητη κλήση|Пропущений аудіодзвінок|Verpasster Sprachanruf
    مكالمة صوتية فائتة|ভয়েস কল মিস করেছেন|未接語音通話|未接语音通话|Cuộc gọi nhỡ|Cuộc gọi thoại nhỡ
    Cevapsız sesli arama|สายที่ไม่ได้รับ|Missat röstsamtal|Missat samtal|Zmeškaný hovor|Zmeškaný hlasový hovor
    Nieodebrane połączenie głosowe|Nieodebrane poł. głosowe|Nieodebrane połączenie|Apel vocal ratat
    Apel vocal nepreluat|Gemist spraakgesprek|Gemiste spraakoproep|Tapt taleanrop|Panggilan suara terlepas
    मिस्ड व्हॉइस कॉल|부재중 전화|부재중 음성통화|音声通話不在着信|不在着信|Nem fogadott hanghívás
    Panggilan suara tak terjawab|Propušteni glasovni poziv|वॉइस कॉल मिस हुई|मिस्ड वॉइस कॉल|Vastaamaton äänipuhelu
    Vastaamaton puhelu|تماس صوتی پاسخ داده نشده|Ubesvaret taleopkald|Mistet opkald|Trucada de veu perduda
    Пропуснато гласово обаждане|Missed voice call from
    """
)
MISSED_VIDEO_CALL = phrase_set(
    """
    Missed video call|Missed group video call|שיחת וידאו שלא נענתה|Пропущенный видеозвонок|Appel vidéo manqué
    Videochiamata persa|Videochamada perdida|Chamada de vídeo perdida|Videollamada perdida|Αναπάντητη βιντεοκλήση
    Пропущений відеодзвінок|Verpasster Videoanruf|مكالمة فيديو فائتة|ভিডিও কল মিস করেছেন|未接視像通話|未接視訊通話
    未接视频通话|Cuộc gọi nhỡ video|Cuộc gọi video nhỡ|Cevapsız görüntülü arama|วิดีโอคอลที่ไม่ได้รับ
    Missat videosamtal|Zmeškaný videohovor|Nieodebrane połączenie wideo|Nieodebrane poł. wideo|Apel video ratat
    Apel video nepreluat|Gemist videogesprek|Gemiste video-oproep|Tapt videoanrop|Tapt videosamtale
    Panggilan video terlepas|मिस्ड व्हिडिओ कॉल|부재중 영상통화|ビデオ通話不在着信|Nem fogadott videohívás
    Panggilan video tak terjawab|Propušteni videopoziv|मिस्ड वीडियो कॉल|Vastaamaton videopuhelu
    تماس تصویری پاسخ داده نشده|Ubesvaret videoopkald|Videotrucada perduda
    """
)
VOICE_CALL = phrase_set(
    """
    Voice call|Group voice call|Silenced voice call|Sprachanruf|Stummgeschalteter Sprachanruf|Gruppen-Sprachanruf
    Llamada de voz|Llamada|Appel vocal|Chamada de voz|Ligação de voz|Chiamata vocale|Spraakoproep|Аудиозвонок
    Sesli arama|Połączenie głosowe|语音通话|語音通話|音声通話|음성통화|مكالمة صوتية|Panggilan suara|Röstsamtal
    Taleopkald|Taleanrop|Äänipuhelu
    """
)
VIDEO_CALL = phrase_set(
    """
    Video call|Group video call|Silenced video call|Videoanruf|Gruppen-Videoanruf|Videollamada|Appel vidéo
    Chamada de vídeo|Ligação de vídeo|Videochiamata|Video-oproep|Видеозвонок|Görüntülü arama|Połączenie wideo|视频通话
    視訊通話|ビデオ通話|영상통화|مكالمة فيديو|Panggilan video|Videosamtal|Videoopkald|Videosamtale|Videopuhelu
    """
)
CALL_FAILED = phrase_set(
    """
    Call failed|Voice call failed|Video call failed|Anruf fehlgeschlagen|Llamada fallida|Error en la llamada
    Échec de l'appel|L'appel a échoué|Falha na chamada|Falha na ligação|Chiamata non riuscita|Oproep mislukt
    Не удалось позвонить|Сбой звонка|Arama başarısız|Połączenie nie powiodło się|通话失败|通話失敗|通話に失敗しました
    통화 실패|فشلت المكالمة|Panggilan gagal|Samtalet misslyckades|Opkald mislykkedes|Puhelu epäonnistui
    """
)
CALL = (
    "call", "anruf", "llamada", "appel", "chamada", "ligação", "chiamata", "oproep", "gesprek", "звонок", "дзвінок",
    "обаждане", "arama", "połączenie", "hovor", "通话", "通話", "통화", "مكالمة", "تماس", "panggilan", "samtal",
    "opkald", "anrop", "puhelu", "κλήση", "cuộc gọi", "สาย", "कॉल", "কল", "שיחה", "שיחת", "trucada", "poziv", "apel",
    "hívás",
)  # fmt: skip
"""Words for a call. Tried only on short lines that carry WhatsApp's own mark."""
VIDEO = ("video", "vídeo", "vidéo", "vidéo", "видео", "відео", "görüntülü", "视频", "視訊", "視像", "ビデオ", "영상",
         "فيديو", "تصویری", "וידאו", "wideo", "βίντεο", "วิดีโอ", "वीडियो", "व्हिडिओ", "ভিডিও")  # fmt: skip
MISSED = (
    "missed", "silenced", "verpasst", "stummgeschaltet", "perdida", "perdido", "manqué", "persa", "perso", "gemist",
    "пропущ", "cevapsız", "nieodebran", "zmeškan", "未接", "不在着信", "부재중", "فائتة", "tak terjawab", "terlepas",
    "missat", "ubesvaret", "mistet", "tapt", "vastaamaton", "αναπάντητ", "nhỡ", "ไม่ได้รับ", "मिस्ड", "מיס", "שלא נענתה",
    "ratat", "nepreluat", "nem fogadott", "propušten", "perduda",
)  # fmt: skip

NO_ANSWER = phrase_set(
    """
    No answer|Keine Antwort|Sin respuesta|Pas de réponse|Aucune réponse|Sem resposta|Nessuna risposta|Geen antwoord
    Нет ответа|Cevap yok|Yanıt yok|Brak odpowiedzi|无应答|無回應|応答なし|응답 없음|لا يوجد رد|Tidak ada jawaban
    Inget svar
    """
)
