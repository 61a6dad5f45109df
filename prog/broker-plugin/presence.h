/* presence.h: tells whoever may listen which devices are here (hints: nothing rests on them).
 *
 *   presence/{deviceId}  {"online":true,"at":ms,"serial":"..."} when a session of a device begins,
 *                        with the certificate it used; {"online":false,"at":ms} when it really
 *                        ends, not when the same client takes it over
 *   presence/broker      retained: {"started":ms,"counted":ms}. When somebody begins to listen,
 *                        every device that is here is told once more, and then `counted` says when
 *                        that was: who was not told of since is not here.
 */
#ifndef PRESENCE_H
#define PRESENCE_H

#include "live_sessions.h"

#define PRESENCE_FILTER "$share/ingest/presence/+"

void presence_init(void);
/* Devices only; nothing for services. */
void presence_tell(const struct live_session *session, bool online);
/* Somebody was granted PRESENCE_FILTER: presence_step counts. */
void presence_wanted(void);
/* From the broker's tick. */
void presence_step(void);

#endif
