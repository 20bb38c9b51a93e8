/* Loaded in front of the smart-card library: the reader has a keypad.
 *
 * Its features and the codes that ask for them are those of PC/SC part 10. Whoever types on it
 * puts a file where TEST_KEYPAD says: one line, the PIN, or nothing for the cancel key. The file
 * goes when it is read. The PIN goes to the card and to nobody else.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The part of winscard.h that is used; its types are those of Linux's pcsc-lite. */
struct io_request {
    unsigned long protocol, length;
};
long SCardTransmit(long card, const struct io_request *send_pci, const unsigned char *command,
                   unsigned long command_length, struct io_request *receive_pci,
                   unsigned char *answer, unsigned long *answer_length);
long SCardStatus(long card, char *names, unsigned long *names_length, unsigned long *state,
                 unsigned long *protocol, unsigned char *atr, unsigned long *atr_length);

enum {
    GET_FEATURE_REQUEST = 0x42000000 + 3400,
    VERIFY_PIN = 0x42330006,
    /* Of the structure that comes with it: the header of the command that it is for. */
    HEADER = 19,
    HEADER_LENGTH = 4,
    LONGEST = 64,
    NO_MEMORY = 0x80100006,
};

static long answer_with(const unsigned char *bytes, unsigned long length, unsigned char *answer,
                        unsigned long room, unsigned long *answered)
{
    if (length > room)
        return NO_MEMORY;
    memcpy(answer, bytes, length);
    *answered = length;
    return 0;
}

/* Waits until somebody has typed, or the card is gone. */
static long typed(long card, unsigned long *protocol, char *pin)
{
    const char *path = getenv("TEST_KEYPAD");
    struct timespec pause = {0, 10 * 1000 * 1000};
    if (!path)
        abort();
    for (;;) {
        unsigned long state;
        long status = SCardStatus(card, NULL, NULL, &state, protocol, NULL, NULL);
        if (status != 0)
            return status;
        FILE *file = fopen(path, "r");
        if (file) {
            if (!fgets(pin, LONGEST, file))
                pin[0] = 0;
            pin[strcspn(pin, "\n")] = 0;
            fclose(file);
            unlink(path);
            return 0;
        }
        nanosleep(&pause, NULL);
    }
}

long SCardControl(long card, unsigned long code, const unsigned char *question,
                  unsigned long question_length, unsigned char *answer, unsigned long room,
                  unsigned long *answered)
{
    static const unsigned char features[] = {0x06, 4, 0x42, 0x33, 0x00, 0x06};
    static const unsigned char cancelled[] = {0x64, 0x01};
    unsigned char command[HEADER_LENGTH + 1 + LONGEST];
    char pin[LONGEST] = "";
    struct io_request pci = {0, sizeof(pci)};

    if (code == GET_FEATURE_REQUEST)
        return answer_with(features, sizeof(features), answer, room, answered);
    if (code != VERIFY_PIN || question_length < HEADER + HEADER_LENGTH)
        abort();
    long status = typed(card, &pci.protocol, pin);
    if (status != 0)
        return status;
    size_t length = strlen(pin);
    if (length == 0)
        return answer_with(cancelled, sizeof(cancelled), answer, room, answered);
    memcpy(command, question + HEADER, HEADER_LENGTH);
    command[HEADER_LENGTH] = length;
    memcpy(command + HEADER_LENGTH + 1, pin, length);
    *answered = room;
    return SCardTransmit(card, &pci, command, HEADER_LENGTH + 1 + length, NULL, answer, answered);
}
