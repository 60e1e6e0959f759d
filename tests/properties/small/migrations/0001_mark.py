from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = []
    operations = [
        migrations.RunSQL("CREATE TABLE marks (number integer)"),
        migrations.RunSQL("INSERT INTO marks VALUES (1)"),
    ]
