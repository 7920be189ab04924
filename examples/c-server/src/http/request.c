#include "http.h"

#include <stdio.h>
#include <string.h>

int request_parse(const char *text, struct request *request)
{
    if (sscanf(text, "%7s %255s HTTP/1.", request->method, request->path) != 2)
        return -1;
    return request->path[0] == '/' && strstr(request->path, "..") == NULL ? 0 : -1;
}
